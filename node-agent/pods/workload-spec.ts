// What a pod asks for as what its workload is given and how far it may go. Pure; nothing is granted here that the pod does not name.

import { join } from 'node:path';
import { describeFieldErrors } from '@copepod/api/errors';
import { type GuestSettings, readGuestAnnotations, readResourceLimits } from '@copepod/api/guest';
import type { Container, Pod } from '@copepod/api/kinds';
import { DEFAULT_LIMITS, type ListenGrant, type Mount, type WorkloadKind, type WorkloadSpec } from '../runtime/index.ts';
import { ConfigError } from './config-error.ts';

export interface PodRequest {
  readonly pod: Pod;
  readonly container: Container;
  readonly kind: WorkloadKind;
  /** Empty: the node has no address left for it; one that wants to listen is refused by the engine then. */
  readonly podIP: string;
  readonly env: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Holds the buckets of the pod's namespace. */
  readonly bucketFolder: string;
}

/** What the pod's annotations say. ConfigError when they are wrong, which only those of a pod can be that was stored before they were judged. */
export function guestSettings(pod: Pod): GuestSettings {
  const { settings, errors } = readGuestAnnotations(pod.metadata.annotations, 'metadata.annotations');
  if (errors.length > 0) throw new ConfigError(describeFieldErrors(errors));
  return settings;
}

export function workloadSpec(request: PodRequest): Pick<WorkloadSpec, 'grants' | 'limits' | 'reuse' | 'warm' | 'accessLog'> {
  const { pod, container, podIP } = request;
  const settings = guestSettings(pod);
  const { namespace } = pod.metadata;
  return {
    grants: {
      args: [...(container.command ?? [container.name]), ...(container.args ?? [])], env: request.env, stdin: settings.stdin, mounts: request.mounts,
      // As a Kubernetes pod would find Services.
      searchDomains: [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'],
      egress: settings.egress, names: settings.names, config: request.config, clocks: settings.clocks,
      ...(podIP === '' ? {} : { address: podIP }), listen: listenGrants(container, request.kind),
      buckets: settings.buckets.map(({ name, ...bounds }) => ({ name, path: join(request.bucketFolder, name), ...bounds })),
    },
    limits: { ...DEFAULT_LIMITS, ...readResourceLimits(container.resources?.limits, '').limits, ...settings.limits },
    reuse: settings.reuse, warm: settings.warm, accessLog: settings.accessLog,
  };
}

/** A service is handed its requests; only a command listens for itself. */
function listenGrants({ ports = [] }: Container, kind: WorkloadKind): readonly ListenGrant[] {
  return kind === 'service' ? [] : ports.map(({ containerPort, protocol }) => ({ transport: protocol === 'UDP' ? 'udp' : 'tcp', port: containerPort }));
}
