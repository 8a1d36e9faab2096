export { MeasuredClock, type ClockReading, type OwnClocks } from './measured-clock.js';
export { bounded, type Bounds } from './option-bounds.js';
export { type TlsMaterial } from './replica.js';
export { UserTokenClient, type UserTokenClientOptions } from './user-token-client.js';
export { UserTokenUnavailable, type UnavailableCode } from './user-token-unavailable.js';
