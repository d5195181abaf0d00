// Keeps the EndpointSlices of each Service with a selector.

import { isNotFound } from '@copepod/api/errors';
import { ENDPOINT_SLICE, type EndpointSlice, POD, SERVICE } from '@copepod/api/kinds';
import { controllerRef, objectKey } from '@copepod/api/meta';
import type { Controller } from '../controller.ts';
import { MANAGED_BY, MANAGER, planEndpointSlices, SERVICE_LABEL } from './plan.ts';

/** Pods of a rollout change in bursts: one write for all that came within this time. */
const COALESCE_MS = 10;

export const endpointSliceController: Controller = {
  name: 'endpoint-slice',
  setUp(context) {
    const services = context.informer(SERVICE);
    const pods = context.informer(POD);
    const slices = context.informer(ENDPOINT_SLICE);
    const client = context.client(ENDPOINT_SLICE);
    const own = (namespace: string, service: string): readonly EndpointSlice[] =>
      slices.store.byIndex('namespace', namespace).filter((slice) => slice.metadata.labels?.[SERVICE_LABEL] === service && slice.metadata.labels[MANAGED_BY] === MANAGER);
    const selects = (selector: Readonly<Record<string, string>> | undefined, labels: Readonly<Record<string, string>> | undefined): boolean =>
      selector !== undefined && Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels?.[key] === value);

    return {
      keys: () => services.store.list().map(objectKey),
      watch(queue) {
        services.onChange(({ key }) => queue.add(key));
        pods.onChange(({ object, previous }) => {
          for (const service of services.store.byIndex('namespace', object.metadata.namespace ?? '')) {
            const { selector } = service.spec ?? {};
            if (selects(selector, object.metadata.labels) || selects(selector, previous?.metadata.labels)) queue.addAfter(objectKey(service), COALESCE_MS);
          }
        });
        slices.onChange(({ object }) => {
          const service = object.metadata.labels?.[SERVICE_LABEL];
          if (service !== undefined && object.metadata.labels?.[MANAGED_BY] === MANAGER) queue.addAfter(`${object.metadata.namespace}/${service}`, COALESCE_MS);
        });
      },
      async sync(key) {
        const service = services.store.get(key);
        const [namespace = '', name = ''] = key.split('/');
        const present = own(namespace, name);
        const { selector } = service?.spec ?? {};
        const marked = service === undefined || service.metadata.deletionTimestamp !== undefined;
        if (!marked && (selector === undefined || Object.keys(selector).length === 0)) return;
        const chosen = marked ? [] : pods.store.byIndex('namespace', namespace).filter((pod) => selects(selector, pod.metadata.labels));
        const wanted = marked ? [] : planEndpointSlices(service, chosen, present);
        const names = new Set(wanted.map((slice) => slice.name));
        for (const { name: slice, endpoints, ports } of wanted) {
          const there = present.find((candidate) => candidate.metadata.name === slice);
          if (there === undefined) {
            await client.create({
              apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints, ports,
              metadata: { name: slice, namespace, labels: { [SERVICE_LABEL]: name, [MANAGED_BY]: MANAGER }, ownerReferences: service === undefined ? [] : [controllerRef(service)] },
            });
          } else if (JSON.stringify([there.endpoints, there.ports]) !== JSON.stringify([endpoints, ports])) {
            await client.update({ ...there, endpoints, ports });
          }
        }
        for (const slice of present) {
          if (names.has(slice.metadata.name ?? '')) continue;
          await client.delete({ namespace, name: slice.metadata.name ?? '' }).catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
        }
      },
    };
  },
};
