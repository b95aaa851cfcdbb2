"""The public names and where they live: read by type checkers, and by `tenfold` itself to load each when it is used."""

from ._version import __version__ as __version__
from .api import (
    CrossValidation as CrossValidation,
    Search as Search,
    cross_validate as cross_validate,
    nested_cross_validate as nested_cross_validate,
    search as search,
)
from .checks.leak_audit import LeakAudit as LeakAudit, audit as audit
from .data.profile.data_read import DataRead as DataRead, read as read
from .doctor.diagnosis import Diagnosis as Diagnosis, Finding as Finding
from .doctor.ways_in.diagnose_module import diagnose as diagnose
from .doctor.ways_in.preflight import preflight as preflight
from .doctor.ways_in.watch import watch as watch
from .errors import (
    BadInput as BadInput,
    Corrupt as Corrupt,
    RunFailed as RunFailed,
    Stopped as Stopped,
    TenfoldError as TenfoldError,
)
from .estimators import Classifier as Classifier, Regressor as Regressor
from .model.model import Model as Model, load as load
from .recipe import (
    MLP as MLP,
    Layers as Layers,
    Module as Module,
    Recipe as Recipe,
    Space as Space,
)
from .recipe.layers import (
    AvgPool as AvgPool,
    ChannelDropout as ChannelDropout,
    Conv as Conv,
    Dense as Dense,
    Dropout as Dropout,
    Flatten as Flatten,
    GlobalPool as GlobalPool,
    MaxPool as MaxPool,
    Residual as Residual,
    Scale as Scale,
    Views as Views,
)
from .recipe.presets import recipe_preset as recipe_preset
from .repair.repair_recipe import Repair as Repair, diagnose_recipe as diagnose_recipe, repair as repair
from .rules.activations import (
    ELU as ELU,
    GELU as GELU,
    SELU as SELU,
    Identity as Identity,
    LeakyReLU as LeakyReLU,
    Maxout as Maxout,
    Mish as Mish,
    Parametric as Parametric,
    PReLU as PReLU,
    ReLU as ReLU,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softplus as Softplus,
    Tanh as Tanh,
)
from .rules.augmentation import Augmentation as Augmentation
from .rules.embeddings import (
    PBLD as PBLD,
    PL as PL,
    PLE as PLE,
    PLR as PLR,
    LinearReLU as LinearReLU,
    NoEmbedding as NoEmbedding,
)
from .rules.initialization import (
    LSUV as LSUV,
    Constant as Constant,
    DataDriven as DataDriven,
    He as He,
    LeCun as LeCun,
    Normal as Normal,
    Orthogonal as Orthogonal,
    Sparse as Sparse,
    UniformWithin as UniformWithin,
    Xavier as Xavier,
    Zeros as Zeros,
)
from .rules.losses import (
    Absolute as Absolute,
    CrossEntropy as CrossEntropy,
    Hinge as Hinge,
    Huber as Huber,
    Poisson as Poisson,
    Squared as Squared,
)
from .rules.normalization import (
    BatchNorm as BatchNorm,
    GroupNorm as GroupNorm,
    LayerNorm as LayerNorm,
    NoNormalization as NoNormalization,
)
from .rules.optimizers import (
    LBFGS as LBFGS,
    SGD as SGD,
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Adam as Adam,
    AdamW as AdamW,
    AMSGrad as AMSGrad,
    GaussNewton as GaussNewton,
    HessianFree as HessianFree,
    Lion as Lion,
    Momentum as Momentum,
    Muon as Muon,
    NAdam as NAdam,
    Nesterov as Nesterov,
    Newton as Newton,
    RMSProp as RMSProp,
)
from .rules.preprocessing import (
    PCA as PCA,
    Center as Center,
    CenterChannel as CenterChannel,
    CenterImage as CenterImage,
    MinMax as MinMax,
    NoPreprocessing as NoPreprocessing,
    QuantileNormal as QuantileNormal,
    RobustClip as RobustClip,
    Standardize as Standardize,
    StandardizeChannel as StandardizeChannel,
    WhitenPCA as WhitenPCA,
    WhitenZCA as WhitenZCA,
)
from .rules.rate_factors import RateFactors as RateFactors
from .rules.record import preset as preset
from .rules.schedules import (
    Cosine as Cosine,
    CosLog as CosLog,
    Exponential as Exponential,
    FlatCos as FlatCos,
    InverseTime as InverseTime,
    Linear as Linear,
    NoDecay as NoDecay,
    OneCycle as OneCycle,
    Plateau as Plateau,
    Step as Step,
)
from .search.nested import Nested as Nested
from .search.so_far import TrialEpoch as TrialEpoch
