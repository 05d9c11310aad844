/** What a course comes to follows from its pairs and choices alone. The whole: test/page/teach.test.ts */
import { afterAll, beforeAll, expect, test } from "vitest";
import { choiceOf, openRoom, stageBundles } from "../../../app/studies/posttraining/teach.ts";
import { Course } from "../../../app/teaching/course.ts";
import { firstLesson } from "../../../app/teaching/lessons.ts";
import type { Choice } from "../../../runtime/train/examples/feedback.ts";

const small = {
  width: "16",
  heads: "2",
  layers: "1",
  "sft.steps": "3",
  "reward.steps": "4",
  "rl.steps": "2",
  "rl.prompts": "2",
  "rl.group": "2",
  "rl.batch": "4",
  "rl.answer": "6",
};
const { pairs } = firstLesson();
const choice = (i: number, said: Choice) =>
  choiceOf({ question: pairs[i]!.question, answers: [`${i} moo`, `${i} baa`] }, said, 1);
const choices = (["a", "b", "tie", "a", "a", "b"] as const).map((said, i) => choice(i, said));

let courses: readonly [Course, Course];
beforeAll(async () => {
  const bundles = await stageBundles(small);
  const open = async (): Promise<Course> => Course.teach(await openRoom(bundles, 1), pairs.slice(0, 40), []);
  courses = [await open(), await open()];
});
afterAll(() => Promise.all(courses.map((course) => course.close())));

test("choices bring the same bits one by one and at once; one taken back leaves none", async () => {
  const [one, other] = courses;
  for (const each of choices) await one.choose(each);
  expect(one.known).toBe(5); // it learns after each fifth
  await one.choose(choice(9, "b"));
  one.takeBack();
  await one.learnChoices();
  await other.takeOver(choices);
  expect(await one.hashes()).toEqual(await other.hashes());
  await other.takeOver([...choices.slice(0, -1), choice(5, "a")]);
  expect((await other.hashes()).judge).not.toBe((await one.hashes()).judge);
  expect((await one.agreement())!.pairs).toBe(1); // the fourth choice
});

test("practice begins where supervised learning has ended: twice is as once", async () => {
  const [one] = courses;
  await one.practise();
  const { pupil, taught } = await one.hashes();
  await one.practise();
  expect((await one.hashes()).pupil).toBe(pupil);
  expect(pupil).not.toBe(taught);
});

test("without choices the judge is as it began, and pairs come as they come", async () => {
  const [one, other] = courses;
  await one.takeOver([]);
  await other.takeOver([]);
  expect((await one.hashes()).judge).toBe((await other.hashes()).judge);
  expect(one.known).toBe(0);
  expect(await one.agreement()).toBeUndefined();
});
