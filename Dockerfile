# One build, one image per service (targets gateway, venue, identity, user-token), one that tests them (e2e), and Redis.
# What they are built on; docker-compose.yml says how to name it by digest.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG REDIS_IMAGE=redis:7-bookworm

FROM ${REDIS_IMAGE} AS redis
# A new volume has the owner of the folder. So Redis need not start as root, with the capability to change the owner.
RUN mkdir -p /data && chown redis:redis /data
USER redis

# Only what npm goes by: modules are installed anew when that changes, and not with every source.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete -o -type d -empty -delete

FROM ${NODE_IMAGE} AS modules
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci

FROM modules AS build
COPY . .
RUN npm run build

# The end-to-end suite, run against the other containers.
FROM build AS e2e
USER node
CMD ["node", "--experimental-vm-modules", "--no-warnings", "node_modules/jest/bin/jest.js", "--config", "jest.running.config.mjs"]

FROM build AS services
RUN node scripts/service-files.mjs /services

# What the images of services have in common.
FROM ${NODE_IMAGE} AS service
# npm is there for `npm run client`. It does not look for newer versions of itself.
ENV NODE_ENV=production NPM_CONFIG_UPDATE_NOTIFIER=false
COPY scripts/health.mjs /app/scripts/
USER node

FROM service AS gateway
WORKDIR /app/apps/gateway
COPY --from=services /services/gateway /app
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "/app/scripts/health.mjs", "9000"]
CMD ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/main.js"]

FROM service AS venue
WORKDIR /app/apps/venue
COPY --from=services /services/venue /app
EXPOSE 3001
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "/app/scripts/health.mjs", "9001"]
CMD ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/main.js"]

FROM service AS identity
WORKDIR /app/apps/identity
COPY --from=services /services/identity /app
EXPOSE 3002
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "/app/scripts/health.mjs", "9002"]
CMD ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/main.js"]

FROM service AS user-token
WORKDIR /app/apps/user-token
COPY --from=services /services/user-token /app
EXPOSE 3003
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "/app/scripts/health.mjs", "9003"]
CMD ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/main.js"]
