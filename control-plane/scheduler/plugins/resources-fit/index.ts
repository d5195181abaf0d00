// A pod goes where what it asks for is left; among those, where most is left.
import { type Plugin, requestOf } from '../../framework/index.ts';

export const resourcesFit: Plugin = {
  name: 'ResourcesFit',
  weight: 1,
  filter: (pod, { allocatable, requested, podCount }) => {
    const request = requestOf(pod);
    if (podCount + 1 > allocatable.pods) return 'Too many pods';
    if (request.cpu > 0 && requested.cpu + request.cpu > allocatable.cpu) return 'Insufficient cpu';
    if (request.memory > 0 && requested.memory + request.memory > allocatable.memory) return 'Insufficient memory';
    return undefined;
  },
  score: (_, { allocatable, requested, podCount }) => {
    const free = (used: number, of: number): number => (of <= 0 ? 0 : Math.max(0, 1 - used / of));
    return (free(requested.cpu, allocatable.cpu) + free(requested.memory, allocatable.memory) + free(podCount, allocatable.pods)) / 3;
  },
};
