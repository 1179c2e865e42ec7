/** What the page is about, for the window's title: a flow's name, a run. */
import { onScopeDispose, shallowRef, watchEffect } from 'vue'

export const subject = shallowRef('')

export function useSubject(read: () => string | undefined): void {
  watchEffect(() => (subject.value = read() ?? ''))
  onScopeDispose(() => (subject.value = ''))
}
