export { gatewaySettings, readGatewayConfig, type GatewayConfig } from './config.js';
export { NoClients } from './adapters/no-clients.js';
export { startGateway, type GatewayEnvironment } from './start-gateway.js';
export { GatewayModule } from './gateway.module.js';
