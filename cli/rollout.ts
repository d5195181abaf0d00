// Waits for a Deployment's newest template to be everywhere, saying what it waits for as it changes.

import { DEPLOYMENT, type Deployment } from '@copepod/api/kinds';
import { resourceClient, type Transport } from '@copepod/client/rest';
import { Failure } from './failure.ts';

export interface Progress {
  readonly done: boolean;
  readonly text: string;
}

/** Failure when the rollout has given up. The words are kubectl's. */
export function rolloutProgress(deployment: Deployment): Progress {
  const { spec, status = {}, metadata } = deployment;
  const name = metadata.name ?? '';
  const wanted = spec.replicas ?? 1;
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0)) return { done: false, text: 'Waiting for deployment spec update to be observed...' };
  const progressing = status.conditions?.find((condition) => condition.type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') throw new Failure(`deployment "${name}" exceeded its progress deadline`, { hint: `copepod describe deployment/${name} says why` });
  if (updatedReplicas < wanted) return { done: false, text: `Waiting for deployment "${name}" rollout to finish: ${updatedReplicas} out of ${wanted} new replicas have been updated...` };
  if (replicas > updatedReplicas) return { done: false, text: `Waiting for deployment "${name}" rollout to finish: ${replicas - updatedReplicas} old replicas are pending termination...` };
  if (availableReplicas < updatedReplicas) return { done: false, text: `Waiting for deployment "${name}" rollout to finish: ${availableReplicas} of ${updatedReplicas} updated replicas are available...` };
  return { done: true, text: `deployment "${name}" successfully rolled out` };
}

export interface WaitOptions {
  readonly transport: Transport;
  readonly namespace: string;
  readonly name: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Resolves when it is done; ApiError NotFound when there is no such Deployment. */
export async function waitForRollout({ transport, namespace, name, signal, say }: WaitOptions): Promise<void> {
  const client = resourceClient(transport, DEPLOYMENT);
  let last = '';
  const look = (deployment: Deployment): boolean => {
    const { done, text } = rolloutProgress(deployment);
    if (text !== last) say(`${text}\n`);
    last = text;
    return done;
  };
  for (;;) {
    const current = await client.get({ namespace, name });
    if (look(current)) return;
    for await (const event of client.watch({ namespace, fieldSelector: `metadata.name=${name}`, resourceVersion: current.metadata.resourceVersion, signal })) {
      if (event.type === 'DELETED') throw new Failure(`deployment "${name}" was deleted while it was waited for`);
      if (event.type !== 'BOOKMARK' && look(event.object)) return;
    }
    if (signal.aborted) throw new Failure(`deployment "${name}" was not rolled out in time; last: ${last}`, { hint: `copepod describe deployment/${name} says why` });
  }
}
