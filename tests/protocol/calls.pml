/* What an agent asks before it calls a tool, for the model checker Spin (spinroot.com): a task that asks several times,
 * two API servers that take the answers of two reviewers, and Airflow, which starts the task again. Any process may be
 * killed. ``review.pml`` has what all reviews have in common: the park, the settled park, the lock, the clock.
 *
 * One atomic step is one transaction on the database. A request asks for one call; which one is its number, and after
 * a retry the agent asks for the same ones again. The list of begun calls has no end here. Names are those of the code: tool_requests.py, review_loop.py.
 *
 * So many writes of the worker fail as FAILS says, each not done, or done and its answer lost. With TAMPER somebody
 * changes what reviewers see of a request in XCom, and perhaps changes it back, so many times as it says.
 *
 * Defined, each of these leaves a guard out, and then Spin must find a fault (test_protocol.py):
 *   NO_BEGUN         do not note in the session that its calls are being made
 *   BEGUN_AFTER      note it once they have been made
 *   NO_EARLIER       do not tell reviewers what earlier tries have begun
 *   NO_CONFIRMATION  take what XCom says, and not only what the event confirms with which the task was resumed
 *   NO_REQUEST       take answers to a request that is no longer shown
 *   NO_SWEEP         wake only right after an answer
 *   NO_DIGEST        do not compare what was shown with what would be called, nor with what the audit log has
 *   NO_LIMIT         let the agent ask as often as it likes (max_tool_requests is MOST)
 */

#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef MOST
#define MOST REQUESTS
#endif
#ifndef TRIES
#define TRIES 2
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef FAILS
#define FAILS 2
#endif

mtype:status = { none, pending_review, approved, denied, rejected, failed_review };
mtype:task = { queued, running, parked, scheduled, success, failed };

#define BIT(number) (1 << number)
#define ENDED (task_state == success || task_state == failed)
#define ANSWERED(status) (status == approved || status == denied || status == rejected)
#define TO_WAKE (task_state == parked && ANSWERED(session_status))

/* --- the database: the task instance */
mtype:task task_state = queued;
bool resumes = false;
byte try_number = 1;
bool worker_lives = false;

/* --- the database: XCom */
mtype:status session_status = none;
byte session_request = 0;     /* which call the agent asks for */
byte session_try = 0;
bool begun = false;           /* request.begun_at */
byte earlier = 0;             /* request.earlier: calls that earlier tries have begun, a bit each */
byte begun_now = 0, begun_before = 0;   /* the list of begun calls: of this try, and of those before */
bool changed = false;         /* somebody has changed what reviewers see of the request */

/* --- the audit log, and the event that resumes the task */
mtype:status logged = none, confirmed = none;
byte logged_request = 0, confirmed_request = 0;
bool logged_changed = false, confirmed_changed = false;   /* stands for the digest of what was seen */

/* --- for the properties */
byte kills = 0, fails = 0;
byte made_before = 0, made_now = 0;   /* calls that were made: in earlier tries, and in this one */
bool told_rejected = false;   /* a reviewer was told so, in this try */
byte allowed = 0;             /* calls of this try that a reviewer has approved as they would be made */

#define MAY_DIE if :: kills < KILLS -> atomic { kills++; goto killed } :: skip fi
#define WRITES_OR_PARKS(done) \
  if \
  :: atomic { done } \
  :: atomic { fails < FAILS -> fails++; goto away } \
  :: atomic { fails < FAILS -> fails++; done; goto away } \
  fi

#define NEXT_TRY \
  if \
  :: try_number < TRIES -> \
     try_number++; resumes = false; task_state = scheduled; logged = none; logged_request = 0 \
  :: else -> task_state = failed \
  fi

#ifdef NO_LIMIT
#define ONCE_TOO_OFTEN false
#else
#define ONCE_TOO_OFTEN (session_request < REQUESTS && session_request >= MOST)
#endif
#ifdef NO_REQUEST
#define IS_SHOWN true
#else
#define IS_SHOWN (shown == session_request && shown_try == session_try)
#endif
#ifdef NO_DIGEST
#define RECORDED (session_status == logged && session_request == logged_request)
#define AS_ASKED true
#else
#define RECORDED (session_status == logged && session_request == logged_request && changed == logged_changed)
#define AS_ASKED (!changed && !confirmed_changed)
#endif
#ifdef NO_CONFIRMATION
#define CONFIRMED true
#else
#define CONFIRMED (confirmed == seen && confirmed_request == session_request)
#endif

active proctype worker() {
  mtype:status seen;

end:
  atomic { worker_lives && task_state == queued -> task_state = running };
  MAY_DIE;
  if
  :: resumes -> goto look
  :: else
  fi;
  /* from the beginning: only the list of begun calls is kept of the earlier try */
  atomic {
    session_status = none; session_request = 0; begun = false; changed = false;
    begun_before = begun_before | begun_now; begun_now = 0;
    made_before = made_before | made_now; made_now = 0; allowed = 0; told_rejected = false
  };
  MAY_DIE;
  atomic {
    session_status = pending_review; session_request = 1; session_try = try_number;
#ifndef NO_EARLIER
    earlier = begun_before
#endif
  };
look:
  MAY_DIE;
  seen = session_status;
  if
  :: seen == pending_review || (ANSWERED(seen) && !CONFIRMED) ->
     /* the API server confirms an answer that came before the park */
     goto away
  :: seen == rejected && CONFIRMED -> task_state = failed
  :: (seen == approved || seen == denied) && CONFIRMED && !AS_ASKED -> goto ends_failed
  :: seen == denied && CONFIRMED && AS_ASKED -> goto go_on
  :: seen == approved && CONFIRMED && AS_ASKED ->
     if
     :: begun -> goto ends_failed   /* by a process that has ended since */
     :: else
     fi;
     WRITES_OR_PARKS(begun_now = begun_now | BIT(session_request));
     MAY_DIE;
#if !defined(NO_BEGUN) && !defined(BEGUN_AFTER)
     WRITES_OR_PARKS(begun = true);
     MAY_DIE;
#endif
     atomic {
       assert(allowed & BIT(session_request));          /* approved, in this try, as it is made */
       assert(!(made_now & BIT(session_request)));      /* once */
       assert(!(made_before & BIT(session_request)) || (earlier & BIT(session_request)));   /* or somebody knew */
       made_now = made_now | BIT(session_request)
     };
     MAY_DIE;
#ifdef BEGUN_AFTER
     WRITES_OR_PARKS(begun = true);
     MAY_DIE;
#endif
     goto go_on
  :: seen == failed_review -> task_state = failed
  fi;
  goto over;
go_on:
  if
  :: session_request == REQUESTS ->
     /* the agent's output, which is reviewed as any other */
     atomic { session_status = none; task_state = success };
     goto over
  :: ONCE_TOO_OFTEN -> goto ends_failed
  :: session_request < REQUESTS && !ONCE_TOO_OFTEN ->
     if
     :: atomic {
          assert(session_request < MOST);
          session_request++; session_status = pending_review; begun = false; changed = false;
          confirmed = none;   /* it confirms one answer */
          goto look
        }
     :: /* not stored: what was called cannot be called again, so the task fails; nothing was called, so it parks */
        atomic { fails < FAILS -> fails++ };
        if
        :: seen == approved -> goto ends_failed
        :: seen == denied -> goto away
        fi
     fi
  fi;
ends_failed:
  MAY_DIE;
  WRITES_OR_PARKS(session_status = failed_review);
  MAY_DIE;
  atomic { NEXT_TRY };
  goto over;
away:
  atomic { task_state = parked; resumes = true; confirmed = none };
over:
killed:
  atomic { worker_lives = false; seen = none };
  goto end
}

active proctype scheduler() {
end:
  do
  :: atomic { task_state == scheduled && !worker_lives -> task_state = queued; worker_lives = true }
  :: atomic { task_state == queued && !worker_lives -> worker_lives = true }
  :: /* killed: no heartbeat */
     atomic {
       task_state == running && !worker_lives -> NEXT_TRY
     }
  :: /* it parked and had written that the review ended: Airflow's deadline resumes it */
     atomic { task_state == parked && session_status == failed_review -> task_state = scheduled }
  od
}

inline wake() {
  atomic {
    if
    :: TO_WAKE && RECORDED ->
       task_state = scheduled; confirmed = logged; confirmed_request = logged_request;
       confirmed_changed = logged_changed
    :: TO_WAKE && !RECORDED ->
#ifndef TAMPER
       assert(false);   /* nobody has changed anything */
#endif
       session_status = pending_review; logged = none
    :: else
    fi
  }
}

active [2] proctype api_server() {
  byte shown; byte shown_try; mtype:status wanted;

end:
  do
  :: /* a reviewer looks at a request, and answers it at some later time */
     atomic {
       session_status == pending_review && !ENDED -> shown = session_request; shown_try = session_try
     }
     if :: wanted = approved :: wanted = denied :: wanted = rejected fi;
     atomic {
       if
       :: session_status == pending_review && !ENDED && IS_SHOWN && session_try == try_number ->
          assert(shown == session_request);   /* an answer to what the reviewer saw */
          session_status = wanted; told_rejected = (wanted == rejected);
          logged = wanted; logged_request = session_request; logged_changed = changed;
          if
          :: wanted == approved && !changed -> allowed = allowed | BIT(session_request)
          :: else -> allowed = allowed & ~BIT(session_request)
          fi
       :: else -> goto next   /* 409 */
       fi
     };
     MAY_DIE;
     wake();
next:
     atomic { shown = 0; shown_try = 0; wanted = none }
#ifndef NO_SWEEP
  :: /* the sweep */
     atomic { TO_WAKE -> skip };
     wake()
#endif
  od;
killed:
  atomic { shown = 0; shown_try = 0; wanted = none };
  goto end
}

#ifdef TAMPER
active proctype forger() {
  byte left = TAMPER;
end:
  do
  :: atomic { left > 0 && session_status != none && !ENDED -> left--; changed = !changed }
  :: atomic { left > 0 && session_status == pending_review && !ENDED -> left--; session_status = approved }
  od
}
#endif

/* What must happen, if nobody tampers: an answer is not left waiting, and a rejection ends the task. */
ltl answers_count { [] ((task_state == parked && ANSWERED(session_status))
                        -> <> (task_state != parked || session_status == pending_review)) }
ltl rejected_ends { [] (told_rejected -> <> (ENDED || !told_rejected)) }
