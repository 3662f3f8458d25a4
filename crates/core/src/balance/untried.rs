//! What every balancer does alike: nothing to choose from, one endpoint alone, or others that were tried in vain.

use super::{EndpointId, Reason, Turn, View};

/// The decision where there is nothing to balance: no endpoint, or one alone.
pub(super) fn at_most_one(view: &View, turn: &Turn<'_>) -> Option<(Option<EndpointId>, Reason)> {
    match view.eligible() {
        [] if view.is_empty() => Some((None, Reason::NoEndpoints)),
        [] => Some((None, Reason::NothingEligible)),
        [only] if !turn.has_tried(only.endpoint) => Some((Some(only.endpoint), Reason::OnlyOne)),
        _ => None,
    }
}

/// Any that was not tried, from a random place on; one that is passed over is better than none.
pub(super) fn untried(view: &View, turn: &mut Turn<'_>) -> (Option<EndpointId>, Reason) {
    let all = view.eligible();
    let from = turn.dice.below(all.len());
    let mut around = all.iter().cycle().skip(from).take(all.len()).map(|member| member.endpoint);
    if let Some(endpoint) = around.find(|endpoint| !turn.has_tried(*endpoint)) {
        return (Some(endpoint), Reason::NextUntried);
    }
    match view.passed_over().iter().copied().find(|endpoint| !turn.has_tried(*endpoint)) {
        Some(endpoint) => (Some(endpoint), Reason::PassedOverButUntried),
        None => (None, Reason::AllTried),
    }
}
