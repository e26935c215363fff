//! `provost certify --verify`: derives every figure again, from the run directory alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::certify::{self, Body, CERTIFICATE_FORMAT, CERTIFICATE_TYPE, Certificate};
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::run::no_run;
use crate::event::{Kind, Sha256, Stored};
use crate::journal::{self, Manifest, RunDir, Texts};

use super::draft::{planned_cases, read_plan};
use super::finish::{Read, gate_error, sealed};

/// Verifies a certificate. 0 when all of it holds, 1 when something does not.
pub(super) fn verify(context: &Context, common: &Common, which: &str, json: bool) -> Result<u8, CliError> {
    let dir = journal::find(&context.root(common.root.as_ref()), Some(which)).map_err(no_run)?;
    let path = dir.certificate();
    let bytes = std::fs::read(&path).map_err(|error| {
        CliError::usage(format!("cannot read {}: {error}", path.display()))
            .hint("a run without a gate has no certificate, nor has one that was cut off; `provost certify --resume` goes on with that")
    })?;
    let certificate: Certificate = serde_json::from_slice(&bytes)
        .map_err(|error| CliError::not_good(format!("{} is no certificate: {error}", path.display())))?;
    let wrong = wrong(&dir, &certificate)?;
    if json {
        let value = serde_json::json!({
            "digest": certificate.digest, "verdict": certificate.body.verdict, "holds": wrong.is_empty(), "wrong": wrong,
        });
        crate::cli::data(&format!("{value}\n"))?;
    } else if wrong.is_empty() {
        let mut text = format!("certificate {} holds\n", certificate.digest);
        for sealed in &certificate.seal.files {
            let _ = writeln!(text, "  {:<16} {:>10} bytes  {}", sealed.file, sealed.bytes, sealed.sha256);
        }
        text.push_str("  every figure was derived again from the journal\n");
        crate::cli::data(&text)?;
    } else {
        let mut text = format!("certificate {} does not hold\n", certificate.digest);
        for what in &wrong {
            let _ = writeln!(text, "  {what}");
        }
        crate::cli::data(&text)?;
    }
    Ok(u8::from(!wrong.is_empty()))
}

/// Everything that does not hold.
fn wrong(dir: &RunDir, certificate: &Certificate) -> Result<Vec<String>, CliError> {
    let mut wrong = Vec::new();
    if certificate.body.digest() != certificate.digest {
        wrong.push("the digest is not that of the certificate's body".to_owned());
    }
    if certificate.r#type != CERTIFICATE_TYPE || certificate.schema != CERTIFICATE_FORMAT {
        wrong.push(format!("it is a `{}` of format {}", certificate.r#type, certificate.schema));
    }
    let run = Manifest::read(dir).map(|manifest| manifest.run);
    if !run.is_ok_and(|run| run == certificate.seal.run) {
        wrong.push(format!("it is the certificate of {}, and this is another run", certificate.seal.run));
    }
    let now = sealed(dir)?;
    for was in &certificate.seal.files {
        match now.iter().find(|file| file.file == was.file) {
            None => wrong.push(format!("{} is gone", was.file)),
            Some(is) if is != was => {
                wrong.push(format!("{} is not what was sealed: {} bytes, {}", was.file, is.bytes, is.sha256));
            }
            Some(_) => {}
        }
    }
    for file in &now {
        if !certificate.seal.files.iter().any(|was| was.file == file.file) {
            wrong.push(format!("{} was not there when the certificate was written", file.file));
        }
    }
    match derived(dir) {
        Ok((body, texts)) => {
            wrong.extend(texts);
            if body != certificate.body {
                wrong.push(differs(&body, &certificate.body));
            }
        }
        Err(error) => wrong.push(error.render().trim_end().to_owned()),
    }
    Ok(wrong)
}

/// The body, derived from the plan and the journal; and the texts that are not what the journal names.
fn derived(dir: &RunDir) -> Result<(Body, Vec<String>), CliError> {
    let Some(plan) = read_plan(dir)? else { return Err(CliError::not_good("plan.json is gone")) };
    planned_cases(dir, &plan)?;
    let mut named = BTreeSet::new();
    let read = Read::open_seeing(dir, |event| name(&event.kind, &mut named))?;
    let reached = certify::decide(&read.sheet).map_err(|error| gate_error(&error))?;
    let mut texts = Vec::new();
    if read.sheet.plan().is_some_and(|fixed| fixed.plan_sha256 != plan.sha256()) {
        texts.push("plan.json is not the plan that the journal names".to_owned());
    }
    let held = Texts::open(dir).map_err(environment)?;
    for (stored, sha256) in named {
        if held.get(stored, &sha256).is_none() {
            let kind = if stored == Stored::Prompt { "prompt" } else { "answer" };
            texts.push(format!("the {kind} {sha256} is gone, or is not what its name says"));
        }
    }
    Ok((Body::new(&plan, &reached), texts))
}

/// The texts that an event names.
fn name(kind: &Kind, named: &mut BTreeSet<(Stored, Sha256)>) {
    let mut all = |stored: Stored, names: &[Sha256]| {
        named.extend(names.iter().map(|name| (stored, name.clone())));
    };
    match kind {
        Kind::CellEnded(ended) => {
            // A stored cell was sent its prompts in another run, which has them.
            if !ended.stored {
                all(Stored::Prompt, &ended.prompts);
            }
            all(Stored::Blob, ended.output_sha256.as_slice());
        }
        Kind::CellScored(scored) => {
            all(Stored::Prompt, &scored.prompts);
            all(Stored::Blob, &scored.replies);
        }
        Kind::TreatmentApplied(applied) => {
            all(Stored::Prompt, &[applied.before_sha256.clone(), applied.after_sha256.clone()]);
        }
        _ => {}
    }
}

fn differs(derived: &Body, certified: &Body) -> String {
    let parts = [
        ("the verdict", derived.verdict == certified.verdict),
        ("the evidence", derived.evidence_sha256 == certified.evidence_sha256),
        ("the plan", derived.plan_sha256 == certified.plan_sha256),
        ("the figures", derived.certified == certified.certified),
        ("what it depends on", derived.shared == certified.shared && derived.arms == certified.arms),
    ];
    let which: Vec<&str> = parts.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    let which = if which.is_empty() { "the certificate".to_owned() } else { which.join(", ") };
    let names = [Sha256::of(&certify::canonical(derived)), Sha256::of(&certify::canonical(certified))];
    format!("{which} cannot be derived from the journal: {} is, {} is certified", names[0], names[1])
}
