//! Formats messages to a version-2 client for a trace. A token is numbered as it is told, `t1`,
//! `t2`, …, with what it says.

use session_core::{MessageV2, ResumePoint};

use super::Run;

impl Run {
    pub(super) fn told(&mut self, told: MessageV2) -> String {
        match told {
            MessageV2::Hello {
                resumed,
                pending,
                resume,
            } => {
                let how = if resumed { "resumed" } else { "fresh" };
                let pending = pending.map_or("nothing".to_owned(), |id| id.as_str().to_owned());
                format!("hello {how}, {pending} pending{}", self.token(resume))
            }
            MessageV2::NotResumed => "not resumed".to_owned(),
            MessageV2::SessionIdInUse => "session id in use".to_owned(),
            MessageV2::Accepted { ask_id: id, resume } => {
                format!("accepted {}{}", id.as_str(), self.token(resume))
            }
            MessageV2::AnswerChunks(stretch) => {
                let parts = stretch.chunks();
                let parts: Vec<String> = parts
                    .map(|cut| {
                        let end = if cut.is_final { "." } else { "" };
                        format!("{}/{} {}{end}", cut.seq, cut.index, cut.text)
                    })
                    .collect();
                let id = stretch.ask_id.as_str().to_owned();
                let end = stretch.end.map_or(String::new(), |end| {
                    let metadata = end.metadata.map_or(String::new(), |metadata| {
                        format!(" ({})", metadata.expose())
                    });
                    metadata + &self.token(end.resume)
                });
                format!("answer {id}: {}{end}", parts.join(", "))
            }
            MessageV2::Error {
                ask_id: id,
                code,
                resume,
            } => {
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
            format!(" waits {} until {left:?}", question.ask_id.as_str())
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
