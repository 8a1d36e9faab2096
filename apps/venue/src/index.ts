export { readVenueConfig, venueSettings, type VenueConfig } from './config.js';
export { startVenue, type VenueEnvironment } from './start-venue.js';
export { VenueModule } from './venue.module.js';
