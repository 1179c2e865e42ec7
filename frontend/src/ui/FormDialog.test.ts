// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, expect, it, vi } from 'vitest'

import { ApiProblem } from '@/api/problem'
import { i18n } from '@/i18n'

import FormDialog from './FormDialog.vue'

afterEach(() => (document.body.innerHTML = ''))

async function open(submit: () => Promise<void>, blocked = false) {
  const props = { open: true, title: 'Run', description: 'At once.', action: 'Start', submit, blocked }
  const dialog = mount(FormDialog, { props, global: { plugins: [i18n] }, attachTo: document.body })
  await flushPromises()
  return { dialog, form: document.querySelector('form')!, text: () => document.body.textContent }
}

async function send(form: HTMLFormElement): Promise<void> {
  form.dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
}

it('does what its button says and closes', async () => {
  const submit = vi.fn().mockResolvedValue(undefined)
  const { dialog, form } = await open(submit)
  await send(form)
  expect([submit.mock.calls.length, dialog.emitted('update:open')]).toEqual([1, [[false]]])
  dialog.unmount()
})

it('shows a fault and stays', async () => {
  const { dialog, form, text } = await open(() => Promise.reject(new ApiProblem(402, { title: 'Too many runs' })))
  await send(form)
  expect(text()).toContain('Too many runs')
  expect(dialog.emitted('update:open')).toBeUndefined()
  dialog.unmount()
})

it('does nothing while what is typed does not do', async () => {
  const submit = vi.fn()
  const { dialog, form } = await open(submit, true)
  await send(form)
  expect(submit).not.toHaveBeenCalled()
  dialog.unmount()
})
