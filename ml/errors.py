"""What can go wrong between a training set and a prediction; each error says the way out."""


class ModelError(RuntimeError):
    """Base of every error of training, registry and scoring."""


class TooLittleData(ModelError):
    """Not enough labelled rows, or one class only: nothing can be learnt yet."""


class FeatureTypeError(ModelError):
    """A column cannot be a feature: its type has no encoding."""


class FeatureNameError(ModelError):
    """A feature has a name that monitoring needs for itself."""


class AmountError(ModelError):
    """A column of money that the product's value names is missing, null or no number."""


class MatrixError(ModelError):
    """A feature holds values no estimator can take (infinite)."""


class CandidateError(ModelError):
    """A candidate's parameters are not ones its estimator takes."""


class UntrustedModel(ModelError):
    """A stored model asks to load types that are not on the allow-list."""


class ModelMissing(ModelError):
    """The warehouse names a version whose artifact is not there."""


class RegistryOutOfStep(ModelError):
    """MLflow and the warehouse disagree about what a version number is."""


class NoServingVersion(ModelError):
    """No version serves at that as_of."""


class EmptyScoringSet(ModelError):
    """A day that was to be scored has no rows."""


class DuplicateRows(ModelError):
    """An entity stands twice in the scoring set of one day."""


class MissingFeature(ModelError):
    """The model wants a column that the scoring set lacks."""


class FeatureTypeChanged(ModelError):
    """A feature's type differs from the one the model or the log was built with."""


class UnexpectedNulls(ModelError):
    """A feature is null where the training set had no null."""
