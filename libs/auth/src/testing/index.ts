export { AuthTestingModule } from './auth-testing.module.js';
export { asUser, TestTokenVerifier } from './test-users.js';
