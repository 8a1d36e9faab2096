/** As a role of some size gives them. */
export const tenPermissions = ['read', 'write'].flatMap((verb) =>
  ['venues', 'events', 'tickets', 'artists', 'reports'].map((noun) => `${verb}:${noun}`),
);
