//! Faults happen and end.

use super::{Event, World};
use crate::fault::Kind;
use crate::invariant;
use crate::message::Response;

/// Longest duration of a sync where nothing is wrong, in milliseconds.
const SYNC_MS: i64 = 4;

/// What ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    FullDisk,
    SlowDisk,
    Network,
}

impl World {
    pub(super) fn fault(&mut self, number: usize) -> Result<(), String> {
        let Some(fault) = self.faults.get(number) else {
            return Ok(());
        };
        let kind = fault.kind.clone();
        self.trace
            .note(self.now, format_args!("fault {number}: {kind:?}"));
        match kind {
            Kind::PowerLoss { down_ms } => self.stop_broker(true, down_ms),
            Kind::Kill { down_ms } => self.stop_broker(false, down_ms),
            Kind::PowerLossAt { operations } => self.broker.storage.power_off_after(operations),
            Kind::WriteError { number } => self.broker.storage.fail_write(number),
            Kind::SyncError { number } => self.broker.storage.fail_sync(number),
            Kind::FullDisk { bytes, ms } => {
                self.broker.storage.limit_bytes(Some(bytes));
                self.end_later(ms, End::FullDisk);
            }
            Kind::SlowDisk { sync_ms, ms } => {
                self.broker.sync_ms_max = sync_ms;
                self.end_later(ms, End::SlowDisk);
            }
            Kind::ClockJump { ms } => {
                self.broker.clock.jump(ms);
                self.truth.is_clock_wrong = true;
            }
            Kind::Loss { percent, ms } => {
                self.network.loss_percent = percent;
                self.end_later(ms, End::Network);
            }
            Kind::Delay { delay_ms, ms } => {
                self.network.delay_ms = delay_ms;
                self.end_later(ms, End::Network);
            }
            Kind::ClientCrash { client, down_ms } => self.crash_client(client, down_ms),
            Kind::ClientPause { client, ms } => {
                if let Some(process) = self.processes.get_mut(client) {
                    process.paused_until = self.now + ms;
                }
            }
            Kind::NewLeadership {
                of_transactions,
                shard,
            } => return self.new_leadership(of_transactions, shard),
        }
        Ok(())
    }

    fn end_later(&mut self, after_ms: i64, end: End) {
        self.queue.push(self.now + after_ms, Event::EndFault(end));
    }

    pub(super) fn end_fault(&mut self, end: End) {
        match end {
            End::FullDisk => self.broker.storage.limit_bytes(None),
            End::SlowDisk => self.broker.sync_ms_max = SYNC_MS,
            End::Network => self.network.heal(),
        }
    }

    /// Faults stop, and clients begin nothing new.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.trace.note(self.now, format_args!("healed"));
        self.end_fault(End::FullDisk);
        self.end_fault(End::SlowDisk);
        self.end_fault(End::Network);
        self.broker.storage.cancel_faults();
        for process in &mut self.processes {
            process.paused_until = process.paused_until.min(self.now);
            process.client.stop();
        }
    }

    fn new_leadership(&mut self, of_transactions: bool, shard: i32) -> Result<(), String> {
        if !self.is_broker_up {
            return Ok(());
        }
        let outputs = self.broker.new_leadership(self.now, of_transactions, shard);
        self.carry_out(outputs);
        invariant::after_step(&self.broker, &mut self.memory)
    }

    /// The broker is gone; it starts again after a while.
    pub(super) fn stop_broker(&mut self, loses_power: bool, down_ms: i64) {
        if !self.is_broker_up {
            return;
        }
        self.trace.note(
            self.now,
            format_args!("broker stops, loses power: {loses_power}"),
        );
        self.is_broker_up = false;
        self.broker_incarnation += 1;
        self.broker.crash(loses_power);
        self.network.break_all();
        self.answers.clear();
        if !loses_power {
            // The kernel closes the connections of a process that is killed.
            self.reset_connections();
        }
        self.queue.push(self.now + down_ms, Event::StartBroker);
    }

    pub(super) fn start_broker(&mut self) -> Result<(), String> {
        if self.is_broker_up {
            return Ok(());
        }
        self.broker_incarnation += 1;
        self.trace.note(self.now, format_args!("broker starts"));
        match self.broker.start(self.now) {
            Ok(outputs) => {
                self.is_broker_up = true;
                // It knows nothing of connections from before.
                self.reset_connections();
                self.carry_out(outputs);
                invariant::after_step(&self.broker, &mut self.memory)?;
                invariant::after_start(&self.broker, &self.truth)
            }
            Err(error) if self.broker.storage.has_failed() => {
                self.trace.note(self.now, format_args!("no start: {error}"));
                self.broker.crash(true);
                self.queue.push(self.now + 500, Event::StartBroker);
                Ok(())
            }
            Err(error) => Err(format!("start: {error}")),
        }
    }

    fn reset_connections(&mut self) {
        for id in self.pending.keys() {
            let response = Response::Lost;
            self.queue
                .push(self.now + 1, Event::Answer { id: *id, response });
        }
    }

    fn crash_client(&mut self, client: usize, down_ms: i64) {
        let Some(process) = self.processes.get_mut(client) else {
            return;
        };
        if process.is_up {
            process.is_up = false;
            process.incarnation += 1;
            self.queue
                .push(self.now + down_ms, Event::StartClient(client));
        }
    }
}
