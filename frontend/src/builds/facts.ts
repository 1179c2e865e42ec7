/** What there is to say about builds and deployments. */
import type { Build, Deployed, Flow } from '@/api/model'

/** How long a build took, in ms; null while it goes on, or where it never began. */
export function tookOf(build: Build): number | null {
  if (!build.started_at || !build.ended_at) return null
  return Math.max(0, Date.parse(build.ended_at) - Date.parse(build.started_at))
}

export function isOpen(build: Build): boolean {
  return build.status === 'queued' || build.status === 'running'
}

/** Whether asking for the same again makes sense: it is of the current version, and came to nothing. */
export function mayRetry(build: Build, flow: Flow): boolean {
  return build.version === flow.version && (build.status === 'failed' || build.status === 'cancelled')
}

/** `sha256:1a2b…`, as much of an image's digest as people compare. */
export function shortDigest(digest: string): string {
  return digest.length > 20 ? `${digest.slice(0, 19)}…` : digest
}

/** The versions that have requests, the greatest part first. */
export function sharesOf(deployed: Deployed): { tag: string; percent: number }[] {
  return Object.entries(deployed.routed)
    .map(([tag, percent]) => ({ tag, percent }))
    .filter(({ percent }) => percent > 0)
    .sort((one, other) => other.percent - one.percent || one.tag.localeCompare(other.tag))
}

/** Something a person should know without looking for it. */
export function isWorthANotice(deployed: Deployed | null): deployed is Deployed {
  return deployed !== null && deployed.state !== 'ready'
}
