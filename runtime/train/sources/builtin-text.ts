/**
 * A text to learn from when there is none at hand: some 3,000 tiny scenes in simple English, the same on
 * every machine. It is varied enough not to be learnt by heart, and a sample shows at once whether its
 * patterns were learnt: who speaks to whom, sums that come out, colours that stay the same, a question that
 * gets its answer.
 */
import { randomStream, type Random } from "../../base/random.ts";

const SCENES = 3200;

export const people = [
  "Anna",
  "Ben",
  "Clara",
  "David",
  "Emma",
  "Finn",
  "Grace",
  "Hugo",
  "Ida",
  "Jonas",
  "Kate",
  "Leo",
  "Mia",
  "Noah",
  "Olga",
  "Paul",
  "Rosa",
  "Sam",
  "Tess",
  "Umar",
  "Vera",
  "Will",
  "Yara",
  "Zoe",
];
const animals = [
  "cat",
  "dog",
  "fox",
  "hen",
  "owl",
  "frog",
  "duck",
  "goat",
  "mouse",
  "horse",
  "rabbit",
  "squirrel",
];
export const colours = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey"];
export const things = [
  "apple",
  "ball",
  "book",
  "cup",
  "hat",
  "key",
  "lamp",
  "shell",
  "stone",
  "kite",
  "box",
  "jar",
];
export const places = ["garden", "kitchen", "forest", "market", "school", "barn", "old mill", "quiet square"];
const weather = [
  "the sun was shining",
  "it was raining",
  "snow lay on the roofs",
  "the wind was cold",
  "fog hung over the fields",
];
export const sounds: Readonly<Record<string, string>> = {
  cat: "meows",
  dog: "barks",
  fox: "yelps",
  hen: "clucks",
  owl: "hoots",
  frog: "croaks",
  duck: "quacks",
  goat: "bleats",
  mouse: "squeaks",
  horse: "neighs",
  rabbit: "thumps",
  squirrel: "chatters",
};
export const numbers = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
];
const feelings = ["glad", "tired", "proud", "hungry", "surprised", "quiet"];
export const days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

type Scene = (r: Random) => string;

export const pick = <T>(r: Random, list: readonly T[]): T => list[r.below(list.length)]!;
export const two = <T>(r: Random, list: readonly T[]): [T, T] => {
  const first = r.below(list.length);
  return [list[first]!, list[(first + 1 + r.below(list.length - 1)) % list.length]!];
};
export const plural = (n: number, thing: string): string =>
  `${numbers[n]} ${n === 1 ? thing : thing === "box" ? "boxes" : `${thing}s`}`;
export const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
export const a = (text: string): string => `${/^[aeiou]/.test(text) ? "an" : "a"} ${text}`;

const scenes: readonly Scene[] = [
  (r) => {
    const [giver, taker] = two(r, people);
    const had = 2 + r.below(10);
    const gave = 1 + r.below(had - 1);
    const thing = pick(r, things);
    return (
      `${giver} has ${plural(had, thing)}. ${giver} gives ${plural(gave, thing)} to ${taker}. Now ` +
      `${giver} has ${plural(had - gave, thing)}.`
    );
  },
  (r) => {
    const [asker, other] = two(r, people);
    const colour = pick(r, colours);
    const thing = pick(r, things);
    const place = pick(r, places);
    return (
      `"Where is my ${colour} ${thing}?" asks ${asker}. "Your ${colour} ${thing} is in the ${place}," ` +
      `says ${other}. ${asker} runs to the ${place} and finds it there.`
    );
  },
  (r) => {
    const animal = pick(r, animals);
    const colour = pick(r, colours);
    const owner = pick(r, people);
    return (
      `${owner} has ${a(colour)} ${animal}. The ${animal} ${sounds[animal]} when ${owner} comes home. ` +
      `"Good ${animal}," says ${owner}.`
    );
  },
  (r) => {
    const left = r.below(7);
    const right = r.below(6);
    const [teacher, pupil] = two(r, people);
    return (
      `"What is ${numbers[left]} and ${numbers[right]}?" asks ${teacher}. "${capital(numbers[left]!)} and ` +
      `${numbers[right]} is ${numbers[left + right]}," says ${pupil}.`
    );
  },
  (r) => {
    const [one, other] = two(r, people);
    const day = pick(r, days);
    const place = pick(r, places);
    const how = pick(r, feelings);
    return (
      `On ${day} ${pick(r, weather)}. ${one} and ${other} went to the ${place}. They came home in the ` +
      `evening, and both were ${how}.`
    );
  },
  (r) => {
    const [first, second] = two(r, animals);
    const place = pick(r, places);
    return (
      `In the ${place} lives ${a(first)}. One day ${a(second)} comes by. The ${first} ${sounds[first]}, ` +
      `the ${second} ${sounds[second]}, and soon they are friends.`
    );
  },
  (r) => {
    const day = r.below(7);
    const [asker, other] = two(r, people);
    return (
      `"Today is ${days[day]}. What is tomorrow?" asks ${asker}. "Tomorrow is ${days[(day + 1) % 7]}," ` +
      `says ${other}.`
    );
  },
  (r) => {
    const [one, other] = two(r, people);
    const [mine, yours] = two(r, colours);
    const thing = pick(r, things);
    return (
      `${one} has ${a(mine)} ${thing} and ${other} has ${a(yours)} ${thing}. They swap. Now ${one} has ` +
      `${a(yours)} ${thing} and ${other} has ${a(mine)} ${thing}.`
    );
  },
];

/** About 320 KB, 56 different characters. */
export function builtinText(): string {
  const r = randomStream(1, "built-in text");
  return Array.from({ length: SCENES }, () => pick(r, scenes)(r)).join("\n") + "\n";
}
