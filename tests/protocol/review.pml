/* The protocol of one review, for the model checker Spin (spinroot.com): the worker parks its task, two API servers
 * take decisions of two reviewers and wake it, a scheduler starts it again, and any of them may be killed.
 *
 * One atomic step is one transaction on the database, or one request to Airflow that is one. What another process
 * can see in between is between two steps. Names are those of the code: states.py, decisions.py, resumer.py, review_session.py.
 *
 * Time is left out but for its order. Three of its uses stand as assumptions:
 *   - a task that counts as "settled" (resume_guard.py) is: its scheduler has processed the end of the process that
 *     parked it. Airflow's own sweep over deadlines has no such guard; they are longer than that takes;
 *   - a deadline may be over at any moment at which the task is parked;
 *   - what can happen for ever does happen at last (weak fairness of each process).
 *
 * Defined, each of these leaves a guard out, and then Spin must find a fault (test_protocol.py):
 *   SAME_NUMBER      wake a parked task at once, and not under the next try number
 *   NO_LOCK          decide by what was read before the lock
 *   NO_SWEEP         wake only right after a decision
 *   NO_TRY_CHECK     take decisions about what an earlier try left in XCom
 *   TRY_BY_STATE     tell by the task's state alone whether that is so
 *   NO_ITERATION     take decisions about an output that is no longer shown
 *
 * So many writes of a round fail as FAILS says, each not done, or done and its answer lost; and so many reads as READS
 * says; a write that takes a round back fails, too. Guards against what that could do:
 *   ONE_HISTORY      keep one history, whatever output it ends with
 *   NO_LOOK_BACK     go back to the output before without a look at what is stored
 *   READ_IS_ABSENT   take what cannot be read for what is not there
 *
 * With FORGER somebody also writes decisions into XCom by hand, so many times as it says (audit_record.py). What then
 * must not happen is the same; guards against it:
 *   NO_CONFIRMATION  take what XCom says, and not only what the event confirms with which the task was resumed
 *   NO_LAST_ENTRY    take a decision that the audit log has, though something else came after it
 *
 * With EDITS reviewers approve, and ask for changes, with the output as they edited it (edits.py); the worker takes
 * some edits and refuses others, whose review is then pending again. With FORGER, too, the forger also writes edited
 * texts and their digests. A guard against that, and one for what one process of the worker remembers:
 *   NO_EDIT_DIGEST   leave the digest of the edited text out when records are compared
 *   OLD_EDIT         keep the edited text of the decision before while the review is pending
 *
 * With CLOCK the worker approves when the deadline is over (on_hitl_timeout): it writes the session, then the action,
 * and FAILS counts these writes, too. The deadline may then be over at any moment, not only while the task is parked;
 * a decision that is checked against it is stored at once (review_loop.py waits so long before its last look). A
 * reject by the clock differs in nothing else. Guards:
 *   LATE_CLOCK       look at the clock after the look at XCom
 *   FORGETS_CLOCK    wait for somebody to confirm what the clock decided, after another process of the task has
 *   BLAMES_CLOCK     take the clock's decision for a forged one
 * With POLICY an output may need no review (review_when): the worker approves it when it stores it, and the task ends
 * without a park. A guard:
 *   PARKS_APPROVED   wait for somebody to confirm that, like a reviewer's decision
 *
 * PROMPT has Airflow's scheduler read at once that a process has ended: it is for clock_ends only.
 */

#ifndef MAX_ITERATIONS
#define MAX_ITERATIONS 2
#endif
#ifndef TRIES
#define TRIES 2
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef DEADLINES
#define DEADLINES 1
#endif
#ifndef FAILS
#define FAILS 0
#endif
#ifndef READS
#define READS 0
#endif

mtype:status = { none, pending_review, changes_requested, approved, rejected, timeout_exceeded,
                 max_iterations_exceeded };
mtype:task = { queued, running, awaiting_input, scheduled, success, failed };

/* --- the database: the task instance */
mtype:task task_state = queued;
bool resumes = false;         /* next_method is resume_hitl_review */
byte try_number = 1;          /* of tries from the beginning; Airflow also counts resumes before the park has settled */

/* --- the database: XCom */
mtype:status session_status = none;
byte session_iteration = 0;
byte session_try = 0;         /* task_instance_id: a new try has another one */
byte outputs = 0;             /* agent_output_1 .. agent_output_{outputs} */
byte session_output = 0;      /* current_output: which of all that were made */
byte history_of[MAX_ITERATIONS + 1];   /* message_history_{n}: with which of them it ends */
bool action_is_younger = false;   /* human_action's row against the session's: what the sweep looks for */
bool deadline_over = false;       /* deadline_at */

/* --- the audit log: the last entry about this try, none for a refusal; and what it has had for each action */
mtype:status logged = none;
byte logged_iteration = 0;
byte ever_approved = 0, ever_rejected = 0, ever_changed = 0;   /* the output's number */
mtype:status confirmed = none;    /* in the event that resumes the task */
byte confirmed_iteration = 0;

/* Texts of edits: one that the worker takes, one that it refuses, one that the forger wrote; 0 for none. A text stands
 * for its digest, too. */
#define GOOD 1
#define BAD 2
#define FORGED 3
#ifdef EDITS
byte action_edit = 0;         /* human_action: the digest of the edited text */
byte edit_text = 0;           /* edited_output_{n} */
byte logged_edit = 0, confirmed_edit = 0;
byte told_edit = 0;           /* with the decision that was taken last; for the properties */
#define EDIT_IN_XCOM (action_edit -> edit_text : 0)
#define FORGET_EDIT action_edit = 0; edit_text = 0; told_edit = 0
#else
#define FORGET_EDIT skip
#endif
#ifdef CLOCK
bool by_clock = false;        /* the session's last decision is the clock's */
#endif

/* --- Airflow's processes */
bool worker_lives = false;
mtype:event = { nothing, this_number, earlier_number };
mtype:event end_comes = nothing;   /* the end of the process that parked the task last, until the scheduler reads it */
mtype:event in_buffer = nothing;   /* the same, read and not processed yet */
bool sent = false;            /* the scheduler has queued the task and sent it to its executor */

/* --- for the properties */
byte kills = 0;
byte wakes = 0;               /* of this park */
mtype:status told = none;     /* the final decision that a reviewer was told was taken, in this try */
byte told_iteration = 0;
byte told_in = 0;             /* the try that the task was in then */
byte told_output = 0;         /* what was on show then */
byte made = 0;                /* outputs that were made in this try, also those that could not be stored */
byte fails = 0, reads = 0;    /* writes and reads that have failed */
bool undone = false;          /* somebody has written over what was told, and the review is pending again */

#define ENDED (task_state == success || task_state == failed)
#define FINAL(status) (status == approved || status == rejected)
#define STARTS_ANEW ((task_state == scheduled || task_state == queued) && !resumes)

/* A try number stands for itself only so far as an event names it or an earlier one: it can grow for ever. */
#define SETTLED (end_comes != this_number && in_buffer != this_number)
#define NEXT_NUMBER \
  if :: end_comes == this_number -> end_comes = earlier_number :: else fi; \
  if :: in_buffer == this_number -> in_buffer = earlier_number :: else fi
#define PARK \
  atomic { task_state = awaiting_input; resumes = true; end_comes = this_number; wakes = 0 }
#ifdef NO_LOCK
#define IS_PENDING (before == pending_review)
#else
#define IS_PENDING (session_status == pending_review)
#endif
#ifdef NO_ITERATION
#define IS_SHOWN true
#else
#define IS_SHOWN (shown == session_iteration && shown_try == session_try)
#endif
#ifdef NO_TRY_CHECK
#define IS_OF_THIS_TRY true
#elif defined(TRY_BY_STATE)
#define IS_OF_THIS_TRY (!STARTS_ANEW)
#else
#define IS_OF_THIS_TRY (session_try == try_number)
#endif
#if defined(EDITS) && !defined(NO_EDIT_DIGEST)
#define EDIT_RECORDED (EDIT_IN_XCOM == logged_edit)
#define EDIT_CONFIRMED (seen_edit == confirmed_edit)
#else
#define EDIT_RECORDED true
#define EDIT_CONFIRMED true
#endif
#ifdef EDITS
#define FITS (seen_digest == seen_edit)
#define REFUSES_EDIT (seen_edit == BAD)
#define AS_TOLD (seen_edit == told_edit)
#else
#define FITS true
#define REFUSES_EDIT false
#define AS_TOLD true
#endif
#if defined(CLOCK) && !defined(BLAMES_CLOCK)
#define OWN (by_clock && deadline_over)
#else
#define OWN false
#endif
#if defined(CLOCK) && !defined(FORGETS_CLOCK)
#define SEEN_OWN (seen_by_clock && deadline_over)
#else
#define SEEN_OWN false
#endif
#if defined(CLOCK) && !defined(LATE_CLOCK)
#define OVER is_over
#else
#define OVER deadline_over
#endif
#if !defined(FORGER) && defined(CLOCK)
#define RECORDED (!by_clock)
#elif !defined(FORGER)
#define RECORDED true
#elif defined(NO_LAST_ENTRY)
#define RECORDED ((session_status == approved && ever_approved == session_iteration) \
                  || (session_status == rejected && ever_rejected == session_iteration) \
                  || (session_status == changes_requested && ever_changed == session_iteration))
#else
#define RECORDED (session_status == logged && session_iteration == logged_iteration && EDIT_RECORDED)
#endif
#ifdef NO_CONFIRMATION
#define CONFIRMED true
#else
#define CONFIRMED (confirmed == seen && confirmed_iteration == seen_iteration && EDIT_CONFIRMED && FITS)
#endif
#define DECIDED(status) (FINAL(status) || status == changes_requested)
#define TO_WAKE (task_state == awaiting_input && session_status != none && session_status != pending_review)

#ifdef ONE_HISTORY
#define HISTORY(n) history_of[0]
#else
#define HISTORY(n) history_of[n]
#endif

#ifdef PROMPT
#define MAY_TAKE_LONG else
#else
#define MAY_TAKE_LONG true
#endif

/* kill -9, now or not */
#define MAY_DIE if :: kills < KILLS -> atomic { kills++; goto killed } :: skip fi

/* A write of the worker's, done; or not, or done and its answer lost: then the task parks. */
#define WRITES_OR_PARKS(done) \
  if \
  :: atomic { done } \
  :: atomic { fails < FAILS -> fails++; goto away } \
  :: atomic { fails < FAILS -> fails++; done; goto away } \
  fi

/* The task's process, one run after the other. */
active proctype worker() {
  mtype:status seen; byte seen_iteration; byte next;
#ifdef EDITS
  byte seen_digest; byte seen_edit;
#endif
#ifdef CLOCK
  bool is_over; bool seen_by_clock;
#endif

end:
  /* PATCH .../run */
  atomic {
    worker_lives;
    if
    :: task_state == queued -> task_state = running
    :: else -> goto over
    fi
  }
  MAY_DIE;
  if
  :: resumes -> goto look
  :: else
  fi;
  /* from the beginning: the worker deletes what the earlier try left in XCom */
  atomic {
    /* nothing is deleted that a reviewer decided after this try had come to be */
    assert(told == none || told_in != try_number);
    session_status = none; session_iteration = 0; outputs = 0; action_is_younger = false;
    deadline_over = false; told = none; told_iteration = 0; told_output = 0;
    made = 1; session_output = 0; HISTORY(1) = 0; HISTORY(MAX_ITERATIONS) = 0;
#ifdef CLOCK
    by_clock = false;
#endif
    FORGET_EDIT
  }
  MAY_DIE;
  HISTORY(1) = made;
  MAY_DIE;
  outputs = 1;
  MAY_DIE;
#ifdef POLICY
  if
  :: atomic {
       session_status = approved; session_iteration = 1; session_try = try_number; session_output = made;
       action_is_younger = false
     };
     MAY_DIE;
#ifdef PARKS_APPROVED
     goto look;
#endif
     action_is_younger = true;
     MAY_DIE;
     atomic { assert(told == none); assert(session_status == approved); task_state = success };
     goto over
  :: skip
  fi;
#endif
  atomic {
    session_status = pending_review; session_iteration = 1; session_try = try_number; session_output = made;
    action_is_younger = false
  }
  MAY_DIE;

look:
#ifdef CLOCK
  is_over = deadline_over;
#endif
  if
  :: atomic {
       seen = session_status; seen_iteration = session_iteration;
#ifdef CLOCK
       seen_by_clock = by_clock;
#endif
#if defined(EDITS) && !defined(OLD_EDIT)
       seen_digest = 0; seen_edit = 0
#endif
     }
  :: /* it cannot be read: the task parks, and looks again when it is resumed */
     atomic { reads < READS -> reads++; PARK; confirmed = none };
     goto over
  fi;
#ifdef EDITS
  if
  :: DECIDED(seen) -> seen_digest = action_edit; seen_edit = (seen_digest -> edit_text : 0)
  :: else
  fi;
#endif
  if
#ifdef CLOCK
  :: seen == pending_review && OVER ->
     MAY_DIE;
     WRITES_OR_PARKS(
       assert(told == none || undone); session_status = approved; by_clock = true; action_is_younger = false
     );
     MAY_DIE;
     WRITES_OR_PARKS(action_is_younger = true);
     MAY_DIE;
     atomic {
       assert(told == none || undone);
#ifdef EDITS
       assert(seen_edit == 0);   /* the output as it was shown */
#endif
       task_state = success
     }
  :: DECIDED(seen) && SEEN_OWN && !CONFIRMED ->
     /* an earlier process of this task could not end the review */
     WRITES_OR_PARKS(session_status = pending_review; by_clock = false; action_is_younger = false);
     goto look
#else
  :: seen == pending_review && deadline_over ->
     MAY_DIE;
     atomic { session_status = timeout_exceeded; action_is_younger = false }
     MAY_DIE;
     atomic { assert(told == none || undone); task_state = failed }
#endif
  :: seen == pending_review && !OVER ->
     /* a decision may come between the look and the park: the sweep finds it once the task is parked */
     MAY_DIE;
     /* PATCH .../state */
     atomic { PARK; confirmed = none }
  :: DECIDED(seen) && !SEEN_OWN && !CONFIRMED ->
     MAY_DIE;
     if
     :: confirmed != none ->   /* XCom has changed since the task was woken */
        atomic { session_status = pending_review; action_is_younger = false; undone = true; confirmed = none };
        goto look
     :: confirmed == none ->   /* decided before the park: the API server confirms it */
        PARK
     fi
#ifdef EDITS
  :: DECIDED(seen) && CONFIRMED && REFUSES_EDIT ->
     /* the reviewer, who was told that it was taken, gets it back */
     confirmed = none;
     MAY_DIE;
     WRITES_OR_PARKS(session_status = pending_review; action_is_younger = false; told = none; told_edit = 0);
     goto look
#endif
  :: seen == approved && CONFIRMED && !REFUSES_EDIT ->
     MAY_DIE;
     atomic {
       assert(told == approved && told_iteration == seen_iteration && outputs >= seen_iteration);
       assert(HISTORY(seen_iteration) == told_output);   /* an agent's output is kept with its conversation */
       assert(AS_TOLD);   /* the edited text, if the decision has one */
       task_state = success
     }
  :: seen == rejected && CONFIRMED ->
     MAY_DIE;
     atomic { assert(told == rejected && told_iteration == seen_iteration); task_state = failed }
  :: seen == changes_requested && CONFIRMED && !REFUSES_EDIT && seen_iteration < MAX_ITERATIONS ->
     confirmed = none;   /* it confirms one decision */
     assert(AS_TOLD);
     assert(HISTORY(seen_iteration) == session_output);   /* nothing that nobody has seen */
     MAY_DIE;
     if
     :: /* the session last: who can see it can read its output, and what led there */
        atomic { made++; next = seen_iteration + 1 };
        if
        :: HISTORY(next) = made
        :: atomic { fails < FAILS -> fails++; goto not_stored }
        :: atomic { fails < FAILS -> fails++; HISTORY(next) = made; goto not_stored }
        fi;
        MAY_DIE;
        if
        :: outputs = next
        :: atomic { fails < FAILS -> fails++; goto not_stored }
        :: atomic { fails < FAILS -> fails++; outputs = next; goto not_stored }
        fi;
        MAY_DIE;
        if
        :: atomic {
             session_status = pending_review; session_iteration = next; session_output = made;
             action_is_younger = false
           }
        :: atomic { fails < FAILS -> fails++; goto not_stored }
        :: atomic {
             fails < FAILS -> fails++;
             session_status = pending_review; session_iteration = next; session_output = made;
             action_is_younger = false
           };
           goto not_stored
        fi
     :: /* regenerating failed: back to the reviewer */
        atomic { session_status = pending_review; action_is_younger = false }
     fi;
     MAY_DIE;
     goto look;
not_stored:
     MAY_DIE;
#ifdef NO_LOOK_BACK
     atomic {
       session_status = pending_review; session_iteration = seen_iteration; session_output = told_output;
       action_is_younger = false
     };
#else
     if
     :: session_iteration == next   /* it is on show, and perhaps decided about */
     :: session_iteration != next -> atomic { session_status = pending_review; action_is_younger = false }
     :: /* neither can be had: the task parks, and goes on from what is stored when it is resumed */
        atomic { fails < FAILS -> fails++; PARK; confirmed = none };
        goto over
     fi;
#endif
     MAY_DIE;
     goto look
  :: seen == changes_requested && CONFIRMED && !REFUSES_EDIT && seen_iteration >= MAX_ITERATIONS ->
     MAY_DIE;
     atomic { session_status = max_iterations_exceeded; action_is_younger = false }
     MAY_DIE;
     task_state = failed
  fi;
#if defined(CLOCK) || defined(EDITS)
  goto over;
away:
  atomic { PARK; confirmed = none };
#endif
over:
killed:
  atomic {
#ifdef EDITS
    seen_digest = 0; seen_edit = 0;
#endif
#ifdef CLOCK
    is_over = false; seen_by_clock = false;
#endif
    worker_lives = false; sent = false; seen = none; seen_iteration = 0; next = 0
  }
  goto end
}

/* Airflow's loop: it queues, sends to the executor, reads what has ended, and processes that. Then the next round. */
active proctype scheduler() {
end:
  do
  :: atomic {
       (task_state == scheduled || (task_state == queued && !sent) || end_comes != nothing
        || (task_state == running && !worker_lives)) ->
       if
       :: task_state == scheduled -> task_state = queued; sent = false
       :: /* killed: no heartbeat */
          task_state == running && !worker_lives ->
          if
          :: try_number < TRIES ->
             try_number++; NEXT_NUMBER; resumes = false; task_state = scheduled;
             logged = none; logged_iteration = 0; ever_approved = 0; ever_rejected = 0; ever_changed = 0
          :: else -> task_state = failed
          fi
       :: else
       fi
     }
     /* an earlier process may still be about to end; the next starts all the same */
     atomic { if :: task_state == queued && !sent && !worker_lives -> sent = true; worker_lives = true :: else fi }
     /* a process needs as long for its end as it likes, but not for ever if Airflow's deadlines are to do their work */
     atomic { if :: end_comes != nothing -> in_buffer = end_comes; end_comes = nothing :: MAY_TAKE_LONG fi }
     /* a task that is scheduled is spared, in 3.2 and later */
     atomic {
       assert(!(in_buffer == this_number && (task_state == queued || task_state == running)));
       in_buffer = nothing
     }
  od
}

inline wake() {
  /* one transaction, after the lock on the task instance */
  atomic {
    if
    :: TO_WAKE && reads < READS ->
       reads++;
#ifdef READ_IS_ABSENT
       session_status = pending_review; action_is_younger = false
#endif
    :: TO_WAKE && (OWN || RECORDED) ->
       task_state = scheduled; wakes++; assert(wakes == 1);
#ifndef SAME_NUMBER
       if :: !SETTLED -> NEXT_NUMBER :: SETTLED fi;
#endif
       if
       :: OWN -> confirmed = none
       :: else ->
          confirmed = session_status; confirmed_iteration = session_iteration;
#ifdef EDITS
          confirmed_edit = EDIT_IN_XCOM
#endif
       fi
    :: TO_WAKE && !OWN && !RECORDED ->
#ifndef FORGER
       assert(false);   /* nobody has forged anything */
#endif
       session_status = pending_review; action_is_younger = false; undone = (told != none);
       logged = none
    :: else
    fi
  }
}

#ifdef EDITS
#define FORGET_REQUEST shown = 0; shown_try = 0; wanted = none; before = none; edit = 0
#else
#define FORGET_REQUEST shown = 0; shown_try = 0; wanted = none; before = none
#endif

/* One API server process: requests of reviewers, and its sweep. It may be killed anywhere, and is started again. */
active [2] proctype api_server() {
  byte shown; byte shown_try; mtype:status wanted; mtype:status before;
#ifdef EDITS
  byte edit;
#endif
end:
  do
  :: /* a reviewer looks at an output, and decides about it at some later time */
     atomic {
       session_status == pending_review && !ENDED ->
       shown = session_iteration; shown_try = session_try; before = session_status
     }
#ifdef EDITS
     atomic {
       if :: wanted = approved :: wanted = rejected :: wanted = changes_requested fi;
       if :: skip :: wanted != rejected -> edit = GOOD :: wanted != rejected -> edit = BAD fi
     };
#else
     if :: wanted = approved :: wanted = rejected :: wanted = changes_requested fi;
#endif
     /* decide() */
     atomic {
       if
       :: !ENDED && session_status != none && IS_PENDING && IS_SHOWN && IS_OF_THIS_TRY && !deadline_over ->
          assert(told == none || undone);   /* one final decision */
          undone = false; told = none; told_iteration = 0;
          assert(shown == session_iteration);   /* about what the reviewer saw */
          session_status = wanted; action_is_younger = true;
          logged = wanted; logged_iteration = session_iteration; told_output = session_output;
#ifdef EDITS
          action_edit = edit; edit_text = edit; logged_edit = edit; told_edit = edit;
#endif
          if
          :: wanted == approved -> ever_approved = session_iteration
          :: wanted == rejected -> ever_rejected = session_iteration
          :: else -> ever_changed = session_iteration
          fi;
          if
          :: FINAL(wanted) -> told = wanted; told_iteration = session_iteration; told_in = try_number
          :: else
          fi
       :: else -> goto next   /* 409 */
       fi
     }
     MAY_DIE;
     wake();
next:
     atomic { FORGET_REQUEST }
#ifndef NO_SWEEP
  :: /* the sweep; only when there is something for it, so that the model has no idle loop */
#ifdef FORGER
     atomic { TO_WAKE -> skip };   /* also what was written since the park */
#else
     atomic { TO_WAKE && action_is_younger -> skip };
#endif
     wake()
#endif
  od;
killed:
  atomic { FORGET_REQUEST }
  goto end   /* another process takes its place, and knows nothing */
}

#ifdef FORGER
/* Writes what a decision writes, through Airflow's public API. */
active proctype forger() {
  byte left = FORGER;
end:
  do
  :: atomic {
       left > 0 && session_status != none && !ENDED ->
       left--;
       if
       :: session_status = approved
       :: session_status = rejected
       :: session_status = changes_requested
#ifdef EDITS
       :: edit_text = FORGED
       :: action_edit = FORGED
       :: action_edit = 0
       :: action_edit = FORGED; edit_text = FORGED
#endif
       fi
     }
  od
}
#endif

/* Airflow's sweep over deadlines resumes a parked task; the worker then looks for itself. */
active proctype deadline() {
end:
  do
#ifdef CLOCK
  :: atomic { DEADLINES && !deadline_over && session_status != none && !ENDED -> deadline_over = true }
#else
  :: atomic { DEADLINES && !deadline_over && task_state == awaiting_input -> deadline_over = true }
#endif
  :: atomic { deadline_over && task_state == awaiting_input && SETTLED -> task_state = scheduled }
  od
}

/* The assertions above are about what must not happen: a second final decision, one about another output than the
 * reviewer saw, a result that does not agree with it, a task that is resumed twice or failed by Airflow's mistake.
 * These are about what must happen, with processes killed on the way; without deadlines, which end any wait. */
ltl decided_ends { [] ((told != none) -> <> (ENDED || told == none)) }
ltl never_stuck { [] ((task_state == awaiting_input && session_status != pending_review)
                      -> <> (task_state != awaiting_input)) }
#ifdef CLOCK
/* Unless a reviewer decided, or there is another try. */
ltl clock_ends { [] ((by_clock || (session_status == pending_review && deadline_over))
                     -> <> (ENDED || session_status == none || (DECIDED(session_status) && !by_clock))) }
#endif
