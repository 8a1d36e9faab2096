import { authSettings } from '@app/auth-settings';
import {
  accessLogSetting,
  corsOriginsSetting,
  defineSettings,
  readSettings,
  serviceSettings,
  type Environment,
  type Settings,
} from '@app/ops';

/** Environment variables of venue. */
export const venueSettings = defineSettings({
  ...serviceSettings({ port: 3001, opsPort: 9001 }),
  ACCESS_LOG: accessLogSetting,
  ...authSettings,
  CORS_ORIGINS: corsOriginsSetting,
});

export type VenueConfig = Settings<typeof venueSettings>;

/** @throws {SettingsError} */
export function readVenueConfig(environment: Environment): VenueConfig {
  return readSettings(venueSettings, environment);
}
