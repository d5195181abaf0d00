// Public names of the API server.
export type { Dispatch, DispatchOptions } from './dispatch.ts';
export { createDispatch, statusOf } from './dispatch.ts';
export type { Extension, HttpOptions } from './http.ts';
export { createHttpServer } from './http.ts';
export { createInProcessTransport } from './in-process.ts';
export type { AgentCredentials } from './pod-log.ts';
export { createPodLog } from './pod-log.ts';
export { ADMIN_GROUP, NODE_GROUP } from './authorize.ts';
export type { User } from './request.ts';
