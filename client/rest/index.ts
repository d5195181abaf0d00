// Public names of the way to the API.
export type { ApiRequest, ApiResponse, Method, Transport } from './transport.ts';
export type { TransportErrorCode, TransportErrorOptions } from './transport-error.ts';
export { isTransportError, TransportError } from './transport-error.ts';
export type { HttpsTransportOptions } from './https.ts';
export { createHttpsTransport } from './https.ts';
export { createFailoverTransport } from './failover.ts';
export type { Kubeconfig, KubeconfigErrorCode } from './kubeconfig.ts';
export { isKubeconfigError, KubeconfigError, loadKubeconfig, parseKubeconfig } from './kubeconfig.ts';
export type { ApiObject, ObjectRef, ResourceType } from './resource-type.ts';
export { collectionPath, objectPath, refOf } from './resource-type.ts';
export type {
  DeleteOptions, ListOptions, Patch, PatchType, RequestOptions, ResourceClient, Scale, WatchOptions, WriteOptions,
} from './resource-client.ts';
export { expectOk, resourceClient } from './resource-client.ts';
