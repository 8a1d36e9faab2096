import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Patch,
  Post,
} from '@nestjs/common';
import { Permissions, Scopes } from '@app/auth';
import { Venues, type Venue } from '../core/venue.js';
import {
  newVenueSchema,
  venueChangesSchema,
  venueIdSchema,
  type NewVenueBody,
  type VenueChangesBody,
} from './venue.schemas.js';

@Controller('venues')
export class VenuesController {
  constructor(private readonly venues: Venues) {}

  @Get()
  @Scopes('read:venues')
  list(): Promise<readonly Venue[]> {
    return this.venues.list();
  }

  @Get(':id')
  @Scopes('read:venues')
  async find(@Param('id', { schema: venueIdSchema }) id: string): Promise<Venue> {
    return found(await this.venues.find(id));
  }

  @Post()
  @Permissions('write:venues')
  add(@Body({ schema: newVenueSchema }) venue: NewVenueBody): Promise<Venue> {
    return this.venues.add(venue);
  }

  @Patch(':id')
  @Permissions('write:venues')
  async change(
    @Param('id', { schema: venueIdSchema }) id: string,
    @Body({ schema: venueChangesSchema }) changes: VenueChangesBody,
  ): Promise<Venue> {
    return found(await this.venues.change(id, changes));
  }

  @Delete(':id')
  @HttpCode(204)
  @Permissions('write:venues')
  async remove(@Param('id', { schema: venueIdSchema }) id: string): Promise<void> {
    const removed = await this.venues.remove(id);
    if (!removed) throw new NotFoundException('There is no such venue');
  }
}

function found(venue: Venue | undefined): Venue {
  if (!venue) throw new NotFoundException('There is no such venue');
  return venue;
}
