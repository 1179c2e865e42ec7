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

export const TEMPLATES: readonly [Template, ...Template[]] = [
  { key: 'webhook', icon: Webhook, yaml: webhook },
  { key: 'approval', icon: UserCheck, yaml: approval },
  { key: 'schedule', icon: CalendarClock, yaml: schedule },
  { key: 'feed', icon: Rss, yaml: feed },
]

/** Names that YAML takes as they are typed: no signs, and no word that means something else. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off)$)\p{L}[\p{L}\p{N} _-]*$/iu

/** The template's text under the person's own name for the flow, quoted where YAML would not take it for a text. */
export function withName(yaml: string, name: string): string {
  return yaml.replace(/^name: .*$/m, () => `name: ${PLAIN.test(name) ? name : JSON.stringify(name)}`)
}
