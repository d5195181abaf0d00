// One line of a watch. A BOOKMARK's object carries only apiVersion, kind and metadata.resourceVersion; an ERROR ends the watch.

import type { Status } from '../errors/index.ts';
import type { KubeObject } from '../meta/index.ts';

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

export type WatchEvent<T = KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: Status };
