import { describe, expect, test } from "bun:test";
import { parseBaseUrl, parseHttpUrl } from "./base-url.ts";

describe("SEC-103", () => {
  test.each([
    "http://169.254.169.254/",
    "http://169.254.169.254:80/latest/meta-data",
    "http://169.254.170.2/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://169.254.169%2e254/",
    "http://169.254.169.254./",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd00:0ec2:0:0:0:0:0:254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://metadata.google.internal/",
    "http://METADATA.google.internal./",
    "http://metadata/computeMetadata",
  ])("%s leads to link-local or metadata and is refused", (text) => {
    expect(parseHttpUrl(text).ok).toBe(true);
    expect(parseBaseUrl(text)).toMatchObject({
      ok: false,
      error: expect.stringContaining("metadata service"),
    });
  });

  test.each([
    "file:///etc/passwd",
    "ftp://x/",
    "javascript:x",
    "//host/",
    "host",
    "",
    "http:/host",
    "http://",
    "http://user:geheim@h/",
    "http://user@h/",
    "http://@h/",
    "http://h\\@evil/",
    "http:\\\\h/",
    "https://h:99999",
    "https://h:0",
    "https://h:x",
    "https://h/?key=geheim",
    "https://h/#x",
    "https://h/a b",
    "https://h/\tx",
    " https://h/",
    "https://h/\n",
    "https://höst/",
    "http://1.2.3.4.5/",
    "http://[::1/",
  ])("%j is no address for keys to go to", (text) => {
    const result = parseBaseUrl(text);
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).not.toContain("geheim");
  });

  test.each([
    ["http://127.0.0.1:6379/", "127.0.0.1"],
    ["http://127.1:6379/", "127.0.0.1"],
    ["http://0x7f.1/", "127.0.0.1"],
    ["http://2130706433/", "127.0.0.1"],
    ["http://[::ffff:127.0.0.1]/", "[::ffff:7f00:1]"],
    ["http://10.0.0.8/", "10.0.0.8"],
    ["http://localhost:11434", "localhost"],
    ["https://api.openai.com", "api.openai.com"],
    ["https://openrouter.ai/api/", "openrouter.ai"],
    ["http://[2001:db8::a9fe:a9fe]/", "[2001:db8::a9fe:a9fe]"],
  ])("%s is the operator's own choice", (text, hostname) => {
    const result = parseBaseUrl(text);
    expect(result.ok && result.value.hostname).toBe(hostname);
  });

  test("a double slash in the path is refused", () => {
    expect(parseBaseUrl("https://h//v1").ok).toBe(false);
    expect(parseBaseUrl("https://h/v1//").ok).toBe(true);
  });
});
