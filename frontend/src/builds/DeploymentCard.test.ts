// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'

import type { Deployed, Flow } from '@/api/model'
import { i18n } from '@/i18n'

import DeploymentCard from './DeploymentCard.vue'

const calls = vi.hoisted(() => ({ promote: vi.fn(), rollBack: vi.fn(), rollOut: vi.fn() }))
vi.mock('@/api/flows', () => calls)

const FLOW = { id: 'f', slug: 'orders', version: 3 } as Flow
const READY: Deployed = { state: 'ready', serves: true, message: '', since: null, urls: {}, routed: { v3: 100 }, rollout: null }

function show(deployed: Partial<Deployed>, flow = FLOW) {
  return mount(DeploymentCard, { props: { flow, deployed: { ...READY, ...deployed } }, global: { plugins: [i18n] } })
}

beforeEach(() => Object.values(calls).forEach((call) => call.mockReset()))

it('says in words why a flow is not ready, and whether requests are answered meanwhile', () => {
  const card = show({ state: 'failing', message: 'The image cannot be pulled: check the registry.' })
  expect(card.text()).toContain('Version 3 does not get ready')
  expect(card.text()).toContain('Requests are answered meanwhile')
  expect(card.get('.note-bad').text()).toBe('The image cannot be pulled: check the registry.')
  expect(show({ state: 'failed', serves: false }).text()).toContain('No requests are answered.')
})

it('shows how requests are split, gives the new version a part and then all of them', async () => {
  const rollout = { version: 3, stable: 2, percent: 20, phase: 'running', message: '' } as const
  const card = show({ routed: { v3: 20, v2: 80 }, rollout })
  expect(card.findAll('.shares li').map((share) => share.text())).toEqual(['v2: 80 %', 'v3: 20 %'])
  expect(card.text()).toContain('Version 3 has 20 % of the requests, version 2 the rest.')
  await card.findAll('option')[3]!.setValue()
  await card.findAll('button')[0]!.trigger('click')
  await flushPromises()
  await card.get('.button-primary').trigger('click')
  await flushPromises()
  expect(calls.rollOut.mock.calls).toEqual([['f', 50]])
  expect(calls.promote.mock.calls).toEqual([['f']])
  expect(card.emitted('changed')).toHaveLength(2)
})

it('says why a version was taken back', () => {
  const rollout = { version: 3, stable: 2, percent: 0, phase: 'rolled_back', message: '40 % of its runs failed.' } as const
  const card = show({ rollout })
  expect(card.text()).toContain('Version 3 was taken back')
  expect(card.text()).toContain('40 % of its runs failed.')
  expect(card.find('.button-primary').exists()).toBe(false)
})

it('offers no rollout of a first version', () => {
  expect(show({}, { ...FLOW, version: 1 }).find('select').exists()).toBe(false)
})
