# One build, one image per service (targets gateway, venue, identity, user-token), one that tests them (e2e), and Redis.
# What they are built on; docker-compose.yml says how to name it by digest.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG REDIS_IMAGE=redis:7-bookworm

FROM ${REDIS_IMAGE} AS redis
# A new volume belongs to whom the folder belongs to. So Redis need not start as root, with the capability to give it away.
RUN mkdir -p /data && chown redis:redis /data
USER redis

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY apps/gateway/package.json apps/gateway/
COPY apps/identity/package.json apps/identity/
COPY apps/local/package.json apps/local/
COPY apps/user-token/package.json apps/user-token/
COPY apps/venue/package.json apps/venue/
COPY libs/auth/package.json libs/auth/
COPY libs/ops/package.json libs/ops/
COPY libs/redis/package.json libs/redis/
COPY libs/user-token-client/package.json libs/user-token-client/

FROM dependencies AS build
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build

# The end-to-end suite, run against the other containers.
FROM build AS e2e
USER node
CMD ["node", "--experimental-vm-modules", "--no-warnings", "node_modules/jest/bin/jest.js", "--config", "jest.running.config.mjs"]

FROM dependencies AS production-dependencies
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM production-dependencies AS service
ENV NODE_ENV=production
COPY --from=build /app/libs/auth/dist libs/auth/dist
COPY --from=build /app/libs/ops/dist libs/ops/dist
COPY --from=build /app/libs/redis/dist libs/redis/dist
COPY --from=build /app/libs/user-token-client/dist libs/user-token-client/dist
COPY --from=build /app/apps/gateway/dist apps/gateway/dist
COPY --from=build /app/apps/identity/dist apps/identity/dist
COPY --from=build /app/apps/identity/seed.yaml apps/identity/seed.yaml
COPY --from=build /app/apps/gateway/clients.yaml apps/gateway/clients.yaml
COPY --from=build /app/apps/user-token/dist apps/user-token/dist
COPY --from=build /app/apps/venue/dist apps/venue/dist
COPY scripts/health.mjs scripts/health.mjs
USER node
# node handles SIGTERM itself (libs/ops/src/run-service.ts), so it may be process 1; docker run --init also takes one of its first moments.
ENTRYPOINT ["node", "--enable-source-maps", "--max-semi-space-size=64"]

FROM service AS gateway
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "scripts/health.mjs", "9000"]
CMD ["apps/gateway/dist/main.js"]

FROM service AS venue
EXPOSE 3001
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "scripts/health.mjs", "9001"]
CMD ["apps/venue/dist/main.js"]

FROM service AS identity
EXPOSE 3002
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "scripts/health.mjs", "9002"]
CMD ["apps/identity/dist/main.js"]

FROM service AS user-token
EXPOSE 3003
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "scripts/health.mjs", "9003"]
CMD ["apps/user-token/dist/main.js"]
