/** What a list says about a run in one line. */
import type { ComposerTranslation } from 'vue-i18n'

import type { RunSummary } from '@/api/model'
import type { Times } from '@/shell/times'

/** The end of a run's id: its beginning is the time, the same for all runs of a while. */
export function shortId(id: string): string {
  return id.length > 8 ? id.slice(-8) : id
}

/** `ago` writes a time as a distance from now. A list does not know what a run waits for, only until when at most. */
export function outcomeOf(run: RunSummary, t: ComposerTranslation, ago: (at: string) => string): string {
  if (run.error) return run.error
  if (run.status === 'waiting') return run.wake_at ? t('runs.waitsUntil', { when: ago(run.wake_at) }) : t('runs.waits')
  return run.end_state ? t('runs.endedAt', { state: run.end_state }) : ''
}

/** How long a run took, or has been running; nothing while it waits. */
export function lengthOf(run: RunSummary, { took, since }: Times): string {
  if (run.duration_ms !== null) return took(run.duration_ms)
  return run.status === 'running' ? since(run.started_at) : ''
}
