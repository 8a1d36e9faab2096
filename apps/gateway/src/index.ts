export { gatewaySettings, readGatewayConfig, type GatewayConfig } from './config.js';
export { startGateway, type GatewayEnvironment } from './start-gateway.js';
