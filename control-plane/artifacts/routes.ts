// The store's HTTP face: PUT /copepod/v1/artifacts/<name>/<tag>, GET …/<name>/manifests/<tag>, GET /copepod/v1/artifacts/blobs/<digest>.

import { type ArtifactErrorCode, ArtifactError, type ArtifactStore } from './artifact-store.ts';

const ROOT = '/copepod/v1/artifacts/';
const CODES: Readonly<Record<ArtifactErrorCode, number>> = { BadName: 400, DigestMismatch: 400, TooLarge: 413, NotWasm: 400 };

export interface ArtifactAccess {
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
}

/** Answers the paths above, undefined for any other. */
export function createArtifactRoutes(store: ArtifactStore): (request: Request, access: ArtifactAccess) => Promise<Response | undefined> {
  return async (request, access) => {
    const url = new URL(request.url);
    if (!url.pathname.startsWith(ROOT)) return undefined;
    const path = decodeURIComponent(url.pathname.slice(ROOT.length));
    if (request.method === 'GET' ? !access.mayRead : !access.mayWrite) return refusal(403, 'Forbidden', `this identity may not ${request.method === 'GET' ? 'read' : 'push'} components`);
    if (request.method === 'PUT') return put(store, request, path, url.searchParams.get('digest') ?? undefined);
    if (request.method !== 'GET') return refusal(405, 'MethodNotAllowed', 'components are pushed by PUT and read by GET');
    const blob = /^blobs\/(.+)$/.exec(path)?.[1];
    if (blob !== undefined) {
      const found = await store.read(blob);
      if (found === undefined) return refusal(404, 'NotFound', `no component with digest ${blob} is in the store`);
      return new Response(ReadableStream.from<Uint8Array>(found.bytes), { headers: { 'content-type': 'application/wasm', 'content-length': String(found.size) } });
    }
    const [, name = '', reference = ''] = /^(.+)\/manifests\/([^/]+)$/.exec(path) ?? [];
    const manifest = await store.resolve(name, reference);
    return manifest === undefined ? refusal(404, 'NotFound', `no component ${name === '' ? path : `${name}:${reference}`} is in the store: push it with "copepod deploy FILE.wasm"`) : Response.json(manifest);
  };
}

async function put(store: ArtifactStore, request: Request, path: string, expected: string | undefined): Promise<Response> {
  const slash = path.lastIndexOf('/');
  try {
    return Response.json(await store.put(path.slice(0, slash), path.slice(slash + 1), request.body ?? ReadableStream.from([]), expected), { status: 201 });
  } catch (error) {
    if (error instanceof ArtifactError) return refusal(CODES[error.code], 'BadRequest', error.message);
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return refusal(507, 'InsufficientStorage', 'no room left on the server\'s disk; nothing was kept');
    throw error;
  }
}

function refusal(code: number, reason: string, message: string): Response {
  return Response.json({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason, code }, { status: code });
}
