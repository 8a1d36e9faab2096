export { redisSettings, storeOptions, type RedisSettings } from './store-settings.js';
