// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils'
import { expect, it, vi } from 'vitest'

import type { Run } from '@/api/model'
import { i18n } from '@/i18n'

import ApprovalCard from './ApprovalCard.vue'

const answerRun = vi.hoisted(() => vi.fn())
vi.mock('@/api/runs', () => ({ answerRun }))

it('says a comment to the question that it was written for, not to the next', async () => {
  const run = { id: '1', waiting_for: { kind: 'approval', question: 'Refund?' } } as Run
  const card = mount(ApprovalCard, { props: { run }, global: { plugins: [i18n] } })
  await card.get('input').setValue('as promised')
  await card.get('.button-primary').trigger('click')
  await flushPromises()
  await card.get('.button-primary').trigger('click')
  await flushPromises()
  expect(answerRun.mock.calls).toEqual([
    ['1', { approved: true, comment: 'as promised' }],
    ['1', { approved: true }],
  ])
})
