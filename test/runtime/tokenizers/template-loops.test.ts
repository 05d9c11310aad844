/**
 * {% break %} and {% continue %}: what an iteration has written stays. The expected values are from jinja2
 * 3.1.6 with loopcontrols, trim_blocks and lstrip_blocks.
 */
import { expect, test } from "vitest";
import { chatTemplate } from "../../../runtime/node/chat-template.ts";

const said = [
  { role: "user", content: "abc" },
  { role: "assistant", content: "de" },
];

test.each([
  ["{% for m in messages %}{{ m.content }}{% if loop.index == 1 %}{% break %}{% endif %}{% endfor %}", "abc"],
  [
    "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}{% continue %}{% endif %}z{% endfor %}-",
    "abcdez-",
  ],
  [
    "{% for i in range(3) %}[{% for j in range(3) %}{{ j }}{% if j == 1 %}{% continue %}{% endif %},{% " +
      "endfor %}{% if i == 1 %}!{% break %}{% endif %}]{% endfor %}.",
    "[0,12,][0,12,!.",
  ],
  ["{% for i in range(3) %}{{ i }}{% continue %}{% else %}none{% endfor %}", "012none"],
  ["{% for i in range(3) %}{{ i }}{% break %}{% else %}none{% endfor %}", "0none"],
  ["{% for i in [] %}{{ i }}{% else %}none{% endfor %}", "none"],
  [
    "{% for i in range(4) %}a{% set x %}q{% if i == 2 %}{% break %}{% endif %}r{% endset %}{{ x }}{% " +
      "endfor %}",
    "aqraqra",
  ],
  [
    "{% for i in range(4) if i > 0 %}{{ loop.index }}:{{ i }}{% if i == 2 %}{% continue %}{% endif %}x " +
      "{% endfor %}",
    "1:1x 2:23:3x ",
  ],
  [
    "{% macro f() %}{% for i in range(3) %}{{ i }}{% if i == 1 %}{% break %}{% endif %}{% endfor %}{% " +
      "endmacro %}{% for k in range(2) %}<{{ f() }}>{% endfor %}",
    "<01><01>",
  ],
])("%s", async (template, right) => {
  const chat = chatTemplate(template);
  expect(await chat.render(said, true, "<s>", "</s>")).toBe(right);
  chat.close();
});
