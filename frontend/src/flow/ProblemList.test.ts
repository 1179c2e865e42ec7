// @vitest-environment happy-dom
import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'

import type { FlowProblem } from '@/api/model'
import { i18n } from '@/i18n'

import ProblemList from './ProblemList.vue'

const PROBLEM = { code: 'unknown-target', severity: 'error', message: 'no state greeet', suggestion: 'did you mean greet?', line: 3, column: 7 }

function show(...problems: Partial<FlowProblem>[]) {
  return mount(ProblemList, {
    props: { problems: problems as FlowProblem[], checking: false },
    global: { plugins: [i18n] },
  })
}

it('says that all is well', () => {
  const list = show()
  expect(list.get('[role=status]').text()).toBe('No problems')
  expect(list.find('button').exists()).toBe(false)
})

it('counts errors and warnings, shows what was meant, and leads to the place', async () => {
  const list = show(PROBLEM as FlowProblem, { ...(PROBLEM as FlowProblem), severity: 'warning' })
  expect(list.get('[role=status]').text()).toBe('1 error, 1 warning')
  expect(list.get('button').text()).toContain('did you mean greet?')
  await list.get('button').trigger('click')
  expect(list.emitted('go')).toEqual([[PROBLEM]])
})
