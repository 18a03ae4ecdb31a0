// A scenario as a TOML file: what the page holds, with the inputs as the reader set them.

const bare = (key) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key));

function tomlValue(value) {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`;
  if (typeof value === 'object') return `{ ${Object.entries(value).map(([key, one]) => `${bare(key)} = ${tomlValue(one)}`).join(', ')} }`;
  // JSON's strings are TOML's, but for the one control character that JSON leaves as it is
  return typeof value === 'string' ? JSON.stringify(value).replace(/\u007f/g, '\\u007F') : String(value);
}

/** The text of a file that `backfire run` takes; `inputs` in the units of the study. */
function scenarioFile(study, inputs) {
  const file = JSON.parse(JSON.stringify(study.file));
  for (const {name, kind, value, unit} of study.inputs) {
    if (Object.is(inputs[name], value)) continue;
    const dot = name.lastIndexOf('.');
    const [owner, word] = [name.slice(0, dot), name.slice(dot + 1)];
    if (kind === 'switch') file.switches[owner][word] = inputs[name];
    else if (kind === 'regimen') file.regimens[owner][word] = inputs[name];
    else {
      const {perUnit} = study.parameters.find((item) => item.name === name);
      Object.assign(file.parameters[name], {value: inputs[name] * perUnit, source: `set in the explorer, was ${value} ${unit}`.trim(), grade: 'assumed'});
    }
  }
  const lines = [`# Written by the explorer of a page on ${study.name} ${study.hash}. Illustrative, not clinically calibrated.`];
  if (file.mechanisms_from) lines.push(`# Beside this file it needs ${file.mechanisms_from.join(', ')}.`);
  const tables = Object.entries(file).filter(([, value]) => typeof value === 'object' && value !== null && !Array.isArray(value));
  for (const [key, value] of Object.entries(file)) if (!tables.some(([name]) => name === key) && value !== null) lines.push(`${bare(key)} = ${tomlValue(value)}`);
  for (const [name, table] of tables) {
    lines.push('', `[${bare(name)}]`);
    for (const [key, value] of Object.entries(table)) {
      const kept = value && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null)) : value;
      if (kept !== null) lines.push(`${bare(key)} = ${tomlValue(kept)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
