/** What a list says about a flow in one line. */
import type { ComposerTranslation } from 'vue-i18n'

import type { FlowSummary } from '@/api/model'

/** The address of a flow's hook; only flows that a webhook wakes have one worth showing. */
export function hookOf(flow: FlowSummary): string | null {
  if (flow.listener?.type !== 'webhook' || !flow.hook_url) return null
  return new URL(flow.hook_url, location.origin).href
}

/** What wakes the flow and, when its source is not well, why. */
export function sourceLine(flow: FlowSummary, t: ComposerTranslation): string {
  if (!flow.listener) return t('listeners.none')
  const hook = hookOf(flow)
  if (hook) return new URL(hook).pathname
  const { type, parameters } = flow.listener
  const about = ['url', 'feeds', 'feed_url', 'cron', 'every', 'path', 'watch_path', 'topic', 'folder']
    .map((key) => parameters[key])
    .find((value) => typeof value === 'string' || typeof value === 'number')
  const faulty = flow.active && flow.source && !flow.source.connected ? flow.source.message : ''
  return [type, about, faulty].filter(Boolean).join(' · ')
}
