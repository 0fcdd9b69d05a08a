import { describe, expect, test } from "bun:test";
import { readMultipart } from "./multipart.ts";

const type = "multipart/form-data; boundary=b1";

function read(body: string, contentType = type) {
  return readMultipart(contentType, Buffer.from(body));
}

function part(disposition: string, content = "o3") {
  return `--b1\r\nContent-Disposition: ${disposition}\r\n\r\n${content}\r\n`;
}

test("fields are read, files are no scalars", () => {
  const body =
    part('form-data; name="model"', "gpt-4o") +
    '--b1\r\nContent-Disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\n' +
    "Content-Type: audio/wav\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\xff\r\n--b\r\n\n--\r\n\r\n";
  expect(read(`${body}--b1--`)).toEqual([
    { name: "model", scalar: "gpt-4o" },
    { name: "file", scalar: undefined },
  ]);
});

test("names and values are UTF-8, and a name needs no quotes", () => {
  expect(read(`${part("FORM-DATA;name=größe", "né\r\nx")}--b1--\r\n`)).toEqual([
    { name: "größe", scalar: "né\r\nx" },
  ]);
  expect(read(`${part('form-data; name=""', "")}--b1--\r\n`)).toEqual([{ name: "", scalar: "" }]);
});

test.each([
  'multipart/form-data; boundary="b1"; charset=utf-8',
  "multipart/form-data;charset=utf-8;Boundary=b1",
])("the boundary is found in %s", (contentType) => {
  expect(read(`${part('form-data; name="model"')}--b1--\r\n`, contentType)).toHaveLength(1);
});

const whole = (text: string) => `${text}--b1--\r\n`;
const model = part('form-data; name="model"');

describe("what readers take in more than one way is not read", () => {
  test.each<[string, string, string?]>([
    ["nothing", ""],
    ["no end", model],
    ["bare line feeds", whole(model).replaceAll("\r\n", "\n")],
    ["one bare line feed before a boundary", whole(model.replace(/\r\n$/, "\n"))],
    ["a bare line feed in a head", whole(model.replace("Content", "X: y\nContent"))],
    ["text before the first boundary", `x\r\n${whole(model)}`],
    ["text behind the last boundary", `${whole(model)}${whole(model)}`],
    ["a blank behind a boundary", whole(model.replace("--b1", "--b1 "))],
    ["a boundary inside a part", whole(part('form-data; name="a"', "x --b1 y"))],
    ["no head", whole("--b1\r\n\r\no3\r\n")],
    ["no content", whole('--b1\r\nContent-Disposition: form-data; name="model"\r\n')],
    ["a folded line", whole(part('form-data;\r\n name="model"'))],
    ["a blank before the colon", whole(model.replace("Disposition:", "Disposition :"))],
    ["no name", whole(part("form-data"))],
    ["two names", whole(part('form-data; name="a"; name="model"'))],
    ["an extended name", whole(part("form-data; name*=utf-8''model"))],
    ["a name and an extended one", whole(part("form-data; name=a; name*=utf-8''model"))],
    ["an escape in a name", whole(part('form-data; name="mod\\el"'))],
    ["a name that is not closed", whole(part('form-data; name="model'))],
    [
      "two dispositions",
      whole(model.replace("\r\n\r\n", '\r\nContent-Disposition: form-data; name="a"\r\n\r\n')),
    ],
    ["an attachment", whole(part('attachment; name="model"'))],
    ["an encoded part", whole(model.replace("--b1", "--b1\r\nContent-Transfer-Encoding: quoted-printable"))],
    ["a head without end", whole(part(`form-data; name="a"; filename="${"\\x".repeat(5000)}"`))],
    ["another boundary", whole(model), "multipart/form-data; boundary=b2"],
    ["no boundary", whole(model), "multipart/form-data"],
    ["two boundaries", whole(model), "multipart/form-data; boundary=b1; boundary=b2"],
  ])("%s", (...[, body, contentType]) => {
    expect(read(body, contentType)).toBeUndefined();
  });
});
