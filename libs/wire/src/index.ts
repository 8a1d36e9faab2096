export { isLoopback, parseReplicaAddresses, type ReplicaAddress } from './address.js';
export { type FrameOptions, FrameSocket } from './frame-socket.js';
export { explainTlsFailure } from './tls-failure.js';
