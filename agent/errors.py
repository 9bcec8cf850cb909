"""What can go wrong, as one hierarchy. Every error says what to do; `retryable` says whether the same call may succeed later.

FoveaError
├── InputError              the caller's input cannot be used (exit code 2)
│   ├── ImageError          a file that is missing, empty, corrupt, too large or not an image
│   ├── NarrativeError      a narrative that is too long or not text
│   ├── OptionError         answer options that make no question
│   └── DocumentError       a document to be ingested that cannot be read: missing, scanned, encrypted, too large, no text
├── SettingsError           a setting has a value that cannot work (exit code 2)
├── KnowledgeError          a knowledge file or index is damaged (exit code 2)
├── LocalizerError          the detector's weights are missing or damaged (exit code 2)
├── StageError              a stage produced a value its channel does not accept: a defect of ours
├── ConversationError       there is no such case, or it is not in a state for what was asked (exit code 2)
│   └── BusyError           the case has a turn that has not ended; retryable
└── ReasonerError           the reasoner gave no usable answer (exit code 3)
    ├── ContextOverflow     the prompt does not fit into the model's context
    └── ReasonerUnreachable the model server did not answer; retryable
"""

from __future__ import annotations


class FoveaError(Exception):
    """Base of all errors Fovea raises on purpose."""

    retryable = False
    exit_code = 1


class InputError(FoveaError):
    exit_code = 2


class ImageError(InputError):
    pass


class NarrativeError(InputError):
    pass


class OptionError(InputError):
    pass


class DocumentError(InputError):
    pass


class SettingsError(FoveaError):
    exit_code = 2


class KnowledgeError(FoveaError):
    exit_code = 2


class LocalizerError(FoveaError):
    exit_code = 2


class StageError(FoveaError):
    pass


class ConversationError(FoveaError):
    exit_code = 2


class BusyError(ConversationError):
    retryable = True


class ReasonerError(FoveaError):
    exit_code = 3


class ContextOverflow(ReasonerError):
    pass


class ReasonerUnreachable(ReasonerError):
    retryable = True
