// Results as JSON for programs and as Markdown for people. The Markdown is always made from the JSON, never edited.

import { cpus, totalmem } from 'node:os';
import { type Bar, type Measurement, median, type Scenario } from './scenario.ts';

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly skipped: string | undefined;
  readonly measurements: readonly Measurement[];
  readonly bars: readonly (Bar & { readonly ratio: number; readonly met: boolean })[];
}

export interface Results {
  readonly date: string;
  readonly machine: string;
  readonly results: readonly ScenarioResult[];
}

export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${process.arch}, Node ${process.version}`;
}

export function judge(scenario: Scenario, measurements: readonly Measurement[]): ScenarioResult['bars'] {
  return (scenario.bars ?? []).map((bar) => {
    const of = (subject: string): number => median(measurements.find((known) => known.subject === subject && known.metric === bar.metric)?.samples ?? []);
    const ratio = of(bar.subject) / of(bar.peer);
    return { ...bar, ratio, met: ratio >= bar.atLeast };
  });
}

export function renderMarkdown({ date, machine: where, results }: Results): string {
  const sections = results.map((result) => {
    const head = `## ${result.title}\n${result.method}\n`;
    if (result.skipped !== undefined) return `${head}\nNot run: ${result.skipped}\n`;
    const rows = result.measurements.map((known) => {
      const first = result.measurements.find((other) => other.metric === known.metric);
      const ratio = first === undefined || first === known || first.unit !== known.unit ? '' : `${format(median(first.samples) / median(known.samples))}× (${first.subject} to it)`;
      return `| ${known.metric} | ${known.subject} | ${format(median(known.samples))} ${known.unit} | ${format(Math.min(...known.samples))} – ${format(Math.max(...known.samples))} | ${known.samples.length} | ${ratio} |`;
    });
    const bars = result.bars.map((bar) => `- ${bar.met ? 'met' : '**missed**'}: ${bar.subject} at ${format(bar.ratio)}× of ${bar.peer} (${bar.metric}); the bar is ${bar.atLeast}×`);
    return `${head}\n| metric | subject | median | range | samples | ratio |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n${bars.length === 0 ? '' : `\n${bars.join('\n')}\n`}`;
  });
  return `# Results\nMade by \`npm run bench\` on ${date} (${where}). Machines are noisy: read the ratios, which were measured in turns in the same run, before the figures.\n\n${sections.join('\n')}`;
}

function format(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
