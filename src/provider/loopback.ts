/** Whether an origin is on this machine by its name: `http://localhost:11434`. */
export function isLoopback(origin: string): boolean {
  return /^https?:\/\/(localhost|127\.[\d.]+|\[::1\])(:|$)/.test(origin);
}
