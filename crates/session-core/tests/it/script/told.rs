//! What a client of version 2 is told, as a trace shows it. A token is numbered as it is told, `t1`,
//! `t2`, …, with what it says.

use session_core::{ResumePoint, Told};

use super::Run;

impl Run {
    pub(super) fn told(&mut self, told: Told) -> String {
        match told {
            Told::Hello {
                resumed,
                pending,
                resume,
            } => {
                let how = if resumed { "resumed" } else { "fresh" };
                let pending = pending.map_or("nothing".to_owned(), |id| id.as_str().to_owned());
                format!("hello {how}, {pending} pending{}", self.token(resume))
            }
            Told::NotResumed => "not resumed".to_owned(),
            Told::SessionIdInUse => "session id in use".to_owned(),
            Told::Accepted { id, resume } => {
                format!("accepted {}{}", id.as_str(), self.token(resume))
            }
            Told::Answer(stretch) => {
                let parts = stretch.parts();
                let parts: Vec<String> = parts
                    .map(|cut| {
                        let end = if cut.is_final { "." } else { "" };
                        format!("{}/{} {}{end}", cut.seq, cut.part, cut.data)
                    })
                    .collect();
                let id = stretch.id.as_str().to_owned();
                let end = stretch.end.map_or(String::new(), |end| {
                    let metadata = end.metadata.map_or(String::new(), |metadata| {
                        format!(" ({})", metadata.expose())
                    });
                    metadata + &self.token(end.resume)
                });
                format!("answer {id}: {}{end}", parts.join(", "))
            }
            Told::Error { id, code, resume } => {
                let token = resume.map_or(String::new(), |point| self.token(point));
                format!("error {} {code:?}{token}", id.as_str())
            }
        }
    }

    /// Notes a token and says what it says.
    pub(super) fn token(&mut self, point: ResumePoint) -> String {
        let number = self.tokens.len() + 1;
        let waits = point.question.as_ref().map_or(String::new(), |question| {
            let left = question.deadline - self.started;
            format!(" waits {} until {left:?}", question.id.as_str())
        });
        let answered: Vec<String> = point.answered.iter().map(|id| self.word(*id)).collect();
        let answered = match answered.is_empty() {
            true => String::new(),
            false => format!(" answered {}", answered.join(" ")),
        };
        let text = format!(" [t{number}: seq {}{waits}{answered}]", point.seq);
        self.tokens.push(point);
        text
    }
}
