/** A picture for each kind of state and of listener; plugins' own kinds share one. */
import {
  Box,
  Braces,
  CalendarClock,
  CircleCheckBig,
  FileText,
  Flag,
  FolderOpen,
  GitFork,
  Globe,
  Hand,
  Hourglass,
  Mail,
  Megaphone,
  PhoneCall,
  Radio,
  Repeat,
  Rss,
  Send,
  SearchX,
  Signpost,
  Split,
  SquareTerminal,
  Webhook,
} from '@lucide/vue'
import type { Component } from 'vue'

const STATES: Readonly<Record<string, Component>> = {
  assert: CircleCheckBig,
  call: PhoneCall,
  command: SquareTerminal,
  emit: Megaphone,
  end: Flag,
  file: FileText,
  http: Globe,
  if: Split,
  loop: Repeat,
  parallel: GitFork,
  rss_reader: Rss,
  set: Braces,
  switch: Signpost,
  unknown: SearchX,
  telegram_bot: Send,
  'telegram-bot': Send,
  wait: Hourglass,
}

const LISTENERS: Readonly<Record<string, Component>> = {
  directory: FolderOpen,
  email: Mail,
  rss: Rss,
  schedule: CalendarClock,
  telegram: Send,
  webhook: Webhook,
}

export function stateIcon(type: string): Component {
  return STATES[type] ?? Box
}

/** Without a listener somebody starts the flow by hand. */
export function listenerIcon(type: string | undefined): Component {
  return type === undefined ? Hand : (LISTENERS[type] ?? Radio)
}
