// The store for its keepers: GET /copepod/v1/store (status), POST /copepod/v1/store/defrag, POST /copepod/v1/store/compact.

import { isStorageError, type Storage } from './storage/index.ts';

const ROOT = '/copepod/v1/store';

/** What only some stores can do. */
export interface StoreCare {
  readonly defragment?: () => Promise<{ readonly before: number; readonly after: number }>;
}

/** Answers the paths above, undefined for any other. */
export function createStoreRoutes(storage: Storage, care: StoreCare): (request: Request, mayManage: boolean) => Promise<Response | undefined> {
  return async (request, mayManage) => {
    const { pathname } = new URL(request.url);
    if (pathname !== ROOT && !pathname.startsWith(`${ROOT}/`)) return undefined;
    if (!mayManage) return refusal(403, 'Forbidden', 'only administrators may look after the store');
    try {
      switch (`${request.method} ${pathname.slice(ROOT.length)}`) {
        case 'GET ': return Response.json(await storage.status());
        case 'POST /compact': {
          await storage.compact(await storage.revision());
          return Response.json(await storage.status());
        }
        case 'POST /defrag':
          if (care.defragment === undefined) return refusal(501, 'NotImplemented', 'this store has nothing to defragment');
          return Response.json(await care.defragment());
        default: return refusal(404, 'NotFound', `there is no ${request.method} ${pathname}`);
      }
    } catch (error) {
      if (isStorageError(error, 'NoSpace')) return refusal(507, 'InsufficientStorage', error.message);
      if (isStorageError(error)) return refusal(503, 'ServiceUnavailable', error.message);
      throw error;
    }
  };
}

function refusal(code: number, reason: string, message: string): Response {
  return Response.json({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason, code }, { status: code });
}
