/** What went wrong with a request, in the words of the platform's problem document (RFC 9457). */

export interface ProblemDocument {
  title?: string
  detail?: string
  remedy?: string
}

export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'

  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly document: ProblemDocument,
  ) {
    super(document.detail ?? document.title ?? `HTTP ${status}`)
  }

  /** No answer came: the platform is down, or the network is. */
  get isUnreachable(): boolean {
    return this.status === 0
  }

  get isNotFound(): boolean {
    return this.status === 404
  }

  /** Asking again would be answered the same. */
  get isFinal(): boolean {
    return this.status === 401 || this.status === 403 || this.isNotFound
  }
}

/** Read the problem that an answer with an error status carries, whatever a proxy has put in its place. */
export async function readProblem(response: Response): Promise<ApiProblem> {
  const document = await response
    .clone()
    .json()
    .catch(() => null)
  const known = typeof document === 'object' && document !== null ? (document as ProblemDocument) : {}
  return new ApiProblem(response.status, { title: response.statusText, ...known })
}

export function unreachable(cause: unknown): ApiProblem {
  return new ApiProblem(0, { detail: cause instanceof Error ? cause.message : String(cause) })
}

export function toProblem(fault: unknown): ApiProblem {
  return fault instanceof ApiProblem ? fault : unreachable(fault)
}
