// Selectors as Kubernetes' documentation words them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBadRequest } from '../errors/index.ts';
import { formatLabelSelector, labelMatcher, matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector } from './index.ts';

const labels = { app: 'web', tier: 'front' };

for (const [text, expected] of [
  ['', true], ['app=web', true], ['app==web,tier=front', true], ['app!=web', false], ['app in (web, api),tier notin (back)', true], ['env', false],
  ['!env', true], ['app,tier', true], ['env!=prod', true], ['app in (api)', false],
] as const) {
  test(`label selector ${JSON.stringify(text)} ${expected ? 'matches' : 'does not match'}`, () => {
    assert.equal(matchesLabels(parseLabelSelector(text), labels), expected);
  });
}

test('a label selector that cannot be read is an error, never everything', () => {
  for (const text of ['app=web=x', 'app in web', '(a)', 'a b']) assert.throws(() => parseLabelSelector(text), isBadRequest, text);
});

test('an absent object selector matches nothing, an empty one everything', () => {
  assert.equal(matchesLabels(labelMatcher(undefined), labels), false);
  assert.equal(matchesLabels(labelMatcher({}), labels), true);
});

test('a matcher is written as it is read', () => {
  const matcher = labelMatcher({ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['a', 'b'] }, { key: 'x', operator: 'DoesNotExist' }] });
  const text = formatLabelSelector(matcher ?? []);
  assert.equal(text, 'app=web,tier notin (a,b),!x');
  assert.deepEqual(parseLabelSelector(text), matcher);
});

test('field selectors see absent fields as empty', () => {
  const pod = { metadata: { name: 'a' }, spec: {} };
  assert.equal(matchesFields(parseFieldSelector('spec.nodeName=,metadata.name=a'), pod), true);
  assert.equal(matchesFields(parseFieldSelector('spec.nodeName!='), pod), false);
});
