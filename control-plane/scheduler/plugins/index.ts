// Every plugin: a new one is a folder and a line here. Filters run in this order, the cheap ones first.
import type { Plugin } from '../framework/index.ts';
import { nodeSchedulable } from './node-schedulable/index.ts';
import { nodeSelector } from './node-selector/index.ts';
import { podSpread } from './pod-spread/index.ts';
import { resourcesFit } from './resources-fit/index.ts';
import { taintToleration } from './taint-toleration/index.ts';

export const PLUGINS: readonly Plugin[] = [nodeSchedulable, nodeSelector, taintToleration, resourcesFit, podSpread];
