// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils'
import { beforeEach, expect, it, vi } from 'vitest'

import type { Build, Flow } from '@/api/model'
import { i18n } from '@/i18n'

import BuildRow from './BuildRow.vue'

const calls = vi.hoisted(() => ({ askBuild: vi.fn(), cancelBuild: vi.fn(), readStages: vi.fn(), followBuild: vi.fn() }))
vi.mock('@/api/builds', () => calls)

const FLOW = { id: 'f', version: 3 } as Flow
const BUILD: Build = {
  id: 'b', flow: { id: 'f', slug: 'f', name: 'F' }, version: 3, target: '', status: 'running', message: '', image: '', digest: '',
  size: null, attempts: 1, created_by: 'ada@example.org', created_at: '2030-01-01T10:00:00Z', started_at: '2030-01-01T10:00:00Z', ended_at: null,
}
const STAGES = [
  { stage: 'check', status: 'succeeded', milliseconds: 12, message: '' },
  { stage: 'push', status: 'failed', milliseconds: 90, message: 'the registry says no: 401' },
  { stage: 'sign', status: 'skipped', milliseconds: null, message: '' },
]

function show(build: Partial<Build>, opened = false) {
  return mount(BuildRow, { props: { build: { ...BUILD, ...build }, flow: FLOW, opened }, global: { plugins: [i18n] } })
}

beforeEach(() => {
  Object.values(calls).forEach((call) => call.mockReset())
  calls.readStages.mockResolvedValue(STAGES)
  calls.followBuild.mockResolvedValue(undefined)
})

it('is cancelled while it goes on', async () => {
  const row = show({})
  await row.findAll('.button-small')[0]!.trigger('click')
  await flushPromises()
  expect(calls.cancelBuild.mock.calls).toEqual([['b']])
  expect(row.emitted('changed')).toHaveLength(1)
})

it('is tried again, for the same place, where it failed', async () => {
  const row = show({ status: 'failed', message: 'push: the registry says no', target: 'r.example/x:1' })
  expect(row.get('.fault').text()).toBe('push: the registry says no')
  await row.findAll('.button-small')[0]!.trigger('click')
  await flushPromises()
  expect(calls.askBuild.mock.calls).toEqual([['f', 'r.example/x:1']])
})

it('shows its stages and what they say once it is opened, also stages that are new', async () => {
  const row = show({ status: 'failed' })
  expect(calls.readStages).not.toHaveBeenCalled()
  await row.get('button').trigger('click')
  await flushPromises()
  expect(row.findAll('.stages .name').map((name) => name.text())).toEqual(['Check', 'Push', 'sign'])
  expect(row.get('.stages').text()).toContain('the registry says no: 401')
  expect(calls.followBuild.mock.calls[0]![0]).toBe('b')
})

it('shows the image that came of it', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const row = show({ status: 'succeeded', image: `r.example/f@${digest}`, digest, size: 65_400_000 })
  expect(row.get('.image').text()).toContain('65.4 MB')
  expect(row.find('.button-small:not(.button-icon)').exists()).toBe(false)
})
