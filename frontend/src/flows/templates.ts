/** What a new flow can begin with; each is a whole flow that checks clean. */
import { CalendarClock, Rss, UserCheck, Webhook } from '@lucide/vue'
import type { Component } from 'vue'

import approval from './templates/approval.yaml?raw'
import feed from './templates/feed.yaml?raw'
import schedule from './templates/schedule.yaml?raw'
import webhook from './templates/webhook.yaml?raw'

export interface Template {
  /** Its name and text stand below `templates` in the languages. */
  key: 'webhook' | 'schedule' | 'feed' | 'approval'
  icon: Component
  yaml: string
}

export const TEMPLATES: readonly Template[] = [
  { key: 'webhook', icon: Webhook, yaml: webhook },
  { key: 'approval', icon: UserCheck, yaml: approval },
  { key: 'schedule', icon: CalendarClock, yaml: schedule },
  { key: 'feed', icon: Rss, yaml: feed },
]

/** The template's text under the person's own name for the flow, quoted so that YAML takes any name. */
export function withName(yaml: string, name: string): string {
  return yaml.replace(/^name: .*$/m, () => `name: ${/^[\p{L}][\p{L}\p{N} _-]*$/u.test(name) ? name : JSON.stringify(name)}`)
}
